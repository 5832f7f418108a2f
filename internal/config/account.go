package config

import (
	"crypto/sha256"
	"net/url"
	"strings"
)

// DefaultAccount is the name of the account that the environment describes.
const DefaultAccount = "default"

// Account is a key to the platform, and how much may be asked with it.
type Account struct {
	Name      string  // 1 to 64 letters, digits, - or _
	URL       string  // base address of the platform, without a trailing slash
	Key       Secret  // sent raw in the Authorization header
	RateLimit float64 // requests a second
}

// Quota tells accounts apart by what the platform counts: those of the same address and key share one quota, whatever they
// are called.
func (a Account) Quota() Quota {
	address := a.URL
	if u, err := url.Parse(a.URL); err == nil {
		u.Host = strings.ToLower(u.Host)
		address = strings.TrimRight(u.String(), "/")
	}
	return sha256.Sum256([]byte(address + "\x00" + a.Key.Reveal()))
}

// Quota is an address and a key, for comparing only.
type Quota [sha256.Size]byte

// Account returns the account of that name.
func (c *Config) Account(name string) (Account, bool) {
	for _, a := range c.Accounts {
		if a.Name == name {
			return a, true
		}
	}
	return Account{}, false
}

// single is what the environment says of the platform: one account, and sources that differ by their unique_id only.
type single struct {
	account Account
	sources []Source // name and unique_id
	poll    Poll
	words   Words
}
