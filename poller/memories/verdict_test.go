package memories

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// springBody is what the platform's gateway answers for itself.
func springBody(status int, text string) string {
	return fmt.Sprintf(`{"timestamp":"2025-10-21T09:00:00.000+00:00","path":"/serve/api/v1/list_videos","status":%d,"error":%q,"requestId":"1-2"}`, status, text)
}

// refusal is an error in the platform's envelope: full, with null data.
func refusal(code, msg string) string {
	return fmt.Sprintf(`{"code":%s,"msg":%q,"data":null,"success":false,"failed":true}`, code, msg)
}

const validVideos = `{"videos":[{"video_no":"VI1"}],"total_count":1}`

func TestRefusalsAreClassified(t *testing.T) {
	tests := []struct {
		name   string
		status int
		body   string
		want   Class
	}{
		{"0401 inside HTTP 200", 200, refusal(`"0401"`, "invalid key"), ClassUnauthorized},
		{"401 as a number", 200, refusal(`401`, "invalid key"), ClassUnauthorized},
		{"401 as a number with decimals", 200, refusal(`401.0`, "invalid key"), ClassUnauthorized},
		{"401 as a string", 200, refusal(`"401"`, "invalid key"), ClassUnauthorized},
		{"HTTP 401 with an envelope", 401, refusal(`"0401"`, "invalid key"), ClassUnauthorized},
		{"HTTP 401 with nothing", 401, "", ClassUnauthorized},
		{"0402, out of credits", 200, refusal(`"0402"`, "your credit limit exceeded"), ClassCredits},
		{"HTTP 402", 402, "", ClassCredits},
		{"0403, account disabled", 200, refusal(`"0403"`, "disabled"), ClassDisabled},
		{"0403 under HTTP 403", 403, refusal(`"0403"`, "disabled"), ClassDisabled},
		{"9009, permission denied", 200, refusal(`"9009"`, "permission denied"), ClassForbidden},
		{"9009 as a number", 200, refusal(`9009`, "permission denied"), ClassForbidden},
		{"HTTP 403 with HTML", 403, "<html>blocked</html>", ClassForbidden},

		{"0429 in its documented short form", 200, `{"code":"0429","msg":"Request has exceeded the limit."}`, ClassThrottled},
		{"0429 in full", 200, refusal(`"0429"`, "system busy"), ClassThrottled},
		{"429 as a number", 200, refusal(`429`, "busy"), ClassThrottled},
		{"HTTP 429 with nothing", 429, "", ClassThrottled},
		{"HTTP 429 with HTML", 429, "<html>", ClassThrottled},
		{"a limit by text under an unknown code", 200, refusal(`"7777"`, "Request has EXCEEDED THE LIMIT."), ClassThrottled},
		{"a limit by text without a code", 200, `{"msg":"rate limit hit"}`, ClassThrottled},
		{"a limit by text under 0001", 200, refusal(`"0001"`, "exceeded the limit"), ClassThrottled},
		{"a limit by text under 0000 marked as failed", 200, refusal(`"0000"`, "exceeded the limit"), ClassThrottled},
		{"a limit by text under HTTP 403", 403, `{"message":"API rate limit exceeded"}`, ClassThrottled},
		{"a limit by text under HTTP 503", 503, `{"message":"too many requests"}`, ClassThrottled},
		{"a known code beats the text of a limit", 200, refusal(`"0401"`, "exceeded the limit"), ClassUnauthorized},
		{"a known code beats the HTTP status", 503, refusal(`"0401"`, ""), ClassUnauthorized},
		{"a page size above the limit is no throttle", 200, refusal(`"0001"`, "page size limit exceeded"), ClassBadRequest},
		{"a bad parameter above a limit is no throttle", 200, refusal(`"0003"`, "exceeded the limit"), ClassBadRequest},

		{"0001 network abnormal is transient", 200, refusal(`"0001"`, "Network abnormal, try again"), ClassTransient},
		{"0001 in Chinese is transient", 200, refusal(`"0001"`, "网络异常"), ClassTransient},
		{"0001 for page 0", 200, refusal(`"0001"`, "page must be greater than 0"), ClassBadRequest},
		{"0001 for a wrong path", 200, refusal(`"0001"`, "No static resource serve/api"), ClassBadRequest},
		{"0003", 200, refusal(`"0003"`, "network parameter missing"), ClassBadRequest},
		{"HTTP 400", 400, springBody(400, "Bad Request"), ClassBadRequest},
		{"400 as a number", 200, refusal(`400`, "bad"), ClassBadRequest},
		{"HTTP 405", 405, "", ClassBadRequest},

		{"the Spring 404", 404, springBody(404, "Not Found"), ClassNotFound},
		{"HTTP 410", 410, "", ClassNotFound},
		{"the Spring 503", 503, springBody(503, "Service Unavailable"), ClassUnavailable},
		{"a bare 502", 502, "<html>bad gateway</html>", ClassUnavailable},
		{"HTTP 500 with 0001", 500, refusal(`"0001"`, "network abnormal"), ClassUnavailable},
		{"HTTP 500 with a whole page", 500, `{"code":"0000","data":` + validVideos + `}`, ClassUnavailable},
		{"HTTP 408", 408, "", ClassUnavailable},
		{"503 as a number", 200, refusal(`503`, "later"), ClassUnavailable},

		{"0409, a code not for lists", 200, refusal(`"0409"`, "repeated"), ClassUnknown},
		{"16, a code of another product", 200, refusal(`"16"`, "capacity"), ClassUnknown},
		{"-1, failure on a sibling host", 200, refusal(`-1`, "failed"), ClassUnknown},
		{"0000 marked as failed", 200, `{"code":"0000","failed":true,"data":` + validVideos + `}`, ClassUnknown},
		{"0000 marked as failed by a string", 200, `{"code":"0000","failed":"true","data":` + validVideos + `}`, ClassUnknown},
		{"0000 without success", 200, `{"code":"0000","success":false,"data":` + validVideos + `}`, ClassUnknown},
		{"0 as a number, marked as failed", 200, `{"code":0,"failed":true,"data":` + validVideos + `}`, ClassUnknown},
		{"0 as a string", 200, `{"code":"0","data":` + validVideos + `}`, ClassUnknown},
		{"200 as a string", 200, `{"code":"200","data":` + validVideos + `}`, ClassUnknown},
		{"another code beside a whole page", 200, `{"code":"0001x","data":` + validVideos + `}`, ClassUnknown},

		{"no code beside a whole page", 200, `{"success":true,"data":` + validVideos + `}`, ClassMalformed},
		{"code null beside a whole page", 200, `{"code":null,"data":` + validVideos + `}`, ClassMalformed},
		{"code true beside a whole page", 200, `{"code":true,"data":` + validVideos + `}`, ClassMalformed},
		{"the key of code in capitals", 200, `{"CODE":"0000","data":` + validVideos + `}`, ClassMalformed},
		{"0000 with null data", 200, `{"code":"0000","data":null}`, ClassMalformed},
		{"0000 without data", 200, `{"code":"0000"}`, ClassMalformed},
		{"0000 with an array for data", 200, `{"code":"0000","data":[{"video_no":"VI1"}]}`, ClassMalformed},
		{"0000 with text for data", 200, `{"code":"0000","data":"none"}`, ClassMalformed},
		{"0000 without videos", 200, `{"code":"0000","data":{"total_count":0}}`, ClassMalformed},
		{"0000 with null videos", 200, `{"code":"0000","data":{"videos":null}}`, ClassMalformed},
		{"0000 with an object for videos", 200, `{"code":"0000","data":{"videos":{}}}`, ClassMalformed},
		{"200 as a number with null data", 200, `{"code":200,"data":null}`, ClassMalformed},
		{"data given twice, null last", 200, `{"code":"0000","data":` + validVideos + `,"data":null}`, ClassMalformed},
		{"HTML inside HTTP 200", 200, "<!doctype html><title>Sign in</title>", ClassMalformed},
		{"an empty body", 200, "", ClassMalformed},
		{"JSON cut short", 200, `{"code":"0000","data":{"videos":[{"video_no":"VI1"},`, ClassMalformed},
		{"a second document after the first", 200, `{"code":"0000","data":` + validVideos + `}{"code":"0000"}`, ClassMalformed},
		{"anything after the document", 200, `{"code":"0000","data":` + validVideos + `} x`, ClassMalformed},
		{"an array for the envelope", 200, `[]`, ClassMalformed},
		{"text for the envelope", 200, `"0000"`, ClassMalformed},
		{"null for the envelope", 200, `null`, ClassMalformed},
		{"a Spring body inside HTTP 200", 200, springBody(503, "Service Unavailable"), ClassMalformed},
		{"arrays nested without end", 200, strings.Repeat("[", 1<<20), ClassMalformed},
		{"deep nesting beside a whole page", 200, `{"code":"0000","x":` + strings.Repeat("[", 20000) + strings.Repeat("]", 20000) + `,"data":` + validVideos + `}`, ClassMalformed},
		{"HTTP 304", 304, "", ClassMalformed},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			fault := mustFail(t, newTestClient(t, answering(tt.status, "application/json", tt.body)), tt.want)
			if fault.HTTPStatus != tt.status {
				t.Errorf("HTTP status %d", fault.HTTPStatus)
			}
			t.Log(fault)
		})
	}
}

func TestSuccessIsRecognised(t *testing.T) {
	tests := []struct {
		name   string
		status int
		body   string
	}{
		{"the documented envelope", 200, `{"code":"0000","msg":"success","data":` + validVideos + `,"success":true,"failed":false}`},
		{"without the flags", 200, `{"code":"0000","data":` + validVideos + `}`},
		{"with null flags", 200, `{"code":"0000","success":null,"failed":null,"data":` + validVideos + `}`},
		{"with flags as strings", 200, `{"code":"0000","success":"true","failed":"false","data":` + validVideos + `}`},
		{"another status of 2xx", 201, `{"code":"0000","data":` + validVideos + `}`},
		{"the number 200 of a sibling host", 200, `{"code":200,"data":` + validVideos + `}`},
		{"the number 0 of a sibling host", 200, `{"code":0,"data":` + validVideos + `}`},
		{"data before code", 200, `{"data":` + validVideos + `,"code":"0000"}`},
		{"a message that speaks of limits", 200, `{"code":"0000","msg":"near the rate limit","data":` + validVideos + `}`},
		{"white space everywhere", 200, " \n\t{ \"code\" : \"0000\" ,\r\n\"data\" : { \"videos\" : [ { \"video_no\" : \"VI1\" } ] } } \n"},
		{"escapes in keys", 200, `{"\u0063ode":"0000","d\u0061ta":{"vide\u006fs":[{"video\u005fno":"VI1"}]}}`},
		{"moderately deep unknown keys", 200, `{"code":"0000","x":` + strings.Repeat("[", 5000) + strings.Repeat("]", 5000) + `,"data":` + validVideos + `}`},
		{"brackets and quotes inside unknown strings", 200, `{"x":"}]\"{[\\","code":"0000","data":` + validVideos + `}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			page := mustList(t, newTestClient(t, answering(tt.status, "text/plain", tt.body)), Query{})
			if len(page.Videos) != 1 || page.Videos[0].VideoNo != "VI1" {
				t.Errorf("got %+v", page)
			}
		})
	}
}

func TestEveryClassHasItsAction(t *testing.T) {
	retryable := []Class{ClassThrottled, ClassTransient, ClassBadRequest, ClassNotFound, ClassUnavailable, ClassNetwork, ClassTimeout, ClassMalformed, ClassUnknown}
	account := []Class{ClassUnauthorized, ClassCredits, ClassDisabled, ClassForbidden}
	for _, class := range Classes() {
		err := fmt.Errorf("sweep: %w", &Error{Class: class})
		if got := Retryable(err); got != slices.Contains(retryable, class) {
			t.Errorf("Retryable(%s) = %v", class, got)
		}
		if got := class.Account(); got != slices.Contains(account, class) {
			t.Errorf("%s.Account() = %v", class, got)
		}
		if ClassOf(err) != class {
			t.Errorf("ClassOf(%s) = %s", class, ClassOf(err))
		}
	}
	if ClassOf(nil) != "" || Retryable(nil) {
		t.Error("nil has a class")
	}
	if ClassOf(http.ErrBodyNotAllowed) != ClassUnknown {
		t.Error("a foreign error has a class")
	}
}

func TestPlatformWordsReachTheError(t *testing.T) {
	fault := mustFail(t, newTestClient(t, answeringJSON(`{"code":"0429","msg":"Request has exceeded the limit."}`)), ClassThrottled)
	if fault.Code != "0429" || fault.Message != "Request has exceeded the limit." {
		t.Errorf("got %+v", fault)
	}
	if want := "list page 3: throttled (HTTP 200, code 0429): Request has exceeded the limit."; fault.Error() != want {
		t.Errorf("got  %s\nwant %s", fault, want)
	}
	fault = mustFail(t, newTestClient(t, answering(404, "application/json", springBody(404, "Not Found"))), ClassNotFound)
	if fault.Message != "Not Found" {
		t.Errorf("got %+v", fault)
	}
}

func TestSamplesAreValidJSON(t *testing.T) {
	for _, name := range []string{"list-videos-v1.2.json", "list-videos-2026.json"} {
		if !json.Valid(sample(t, name)) {
			t.Errorf("%s is no JSON", name)
		}
	}
}
