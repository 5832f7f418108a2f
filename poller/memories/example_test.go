package memories_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"

	"vidbell/poller/memories"
)

func ExampleClient_List() {
	platform := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, `{"code":"0429","msg":"Request has exceeded the limit."}`)
	}))
	defer platform.Close()

	client, err := memories.New(memories.Config{BaseURL: platform.URL, APIKey: "sk-mavi-example", UserAgent: "vidbell/1.2.3"})
	if err != nil {
		fmt.Println(err)
		return
	}
	page, err := client.List(context.Background(), memories.Query{UniqueID: "default", Page: 1, Size: 200})
	switch class := memories.ClassOf(err); {
	case err == nil:
		fmt.Println(len(page.Videos), "videos")
	case class.Account():
		fmt.Println("stop the account:", err)
	case memories.Retryable(err):
		fmt.Println("repeat later:", err)
	}
	// Output: repeat later: list page 1: throttled (HTTP 200, code 0429): Request has exceeded the limit.
}
