package event

// ReasonTest is the reason in the events that vidbell send-test makes.
const ReasonTest = "test"

// SourceReasons lists the words that SourceData.Reason may be.
func SourceReasons() []string {
	return []string{
		"unauthorized", "credits", "disabled", "forbidden", // the key or the account: nothing is asked until a person acts
		"throttled", "transient", "bad_request", "not_found", "unavailable", // how the platform refused
		"network", "timeout", "malformed", "too_large", "unknown", // no answer, or none that can be read
		"listing",        // pages arrive but make no whole: repeated, endless, another than asked for
		"count_mismatch", // complete walks do not show as many videos as the platform counts
		"empty",          // nothing is listed, though videos are known, or for a day
		"mass_deletion",  // many videos are gone or replaced at once; that is held back
		ReasonTest,
	}
}

// EndpointReasons lists the words that EndpointData.Reason may be.
func EndpointReasons() []string {
	return []string{
		"failing",    // failures in a row that speak of an outage
		"gone",       // it answered 410
		"no_success", // not one success in five days
		"operator",   // an operator disabled it
		ReasonTest,
	}
}
