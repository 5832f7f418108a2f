// Package config turns the environment into one checked, typed [Config].
//
// One list, [Variables], is the single truth: it names each variable, its type, default and meaning, and holds the
// function that parses it. [Help], [Markdown], [Config.Effective], the defaults and the search for unknown names are
// all made from it, so they cannot disagree.
//
// # What Load promises
//
//   - Every mistake is reported in one run, as [Problems]: a variable's name, what is wrong, what would be right.
//   - No secret, and no URL (which may carry one), is repeated in a problem, in Effective or in any print of a Config.
//   - A variable that is set but empty counts as unset. Spaces around values and list entries are dropped.
//   - Lists are separated by commas. A comma inside a URL is written %2C.
//   - Durations need a unit and are 100ms at least: 500ms, 15s, 10m, 1h30m.
//   - A secret VIDBELL_X may instead be in a file named by VIDBELL_X_FILE, whose one trailing line break is cut. Both
//     set, an empty file and an unreadable one are problems.
//   - An unknown VIDBELL_ variable is a problem, with a suggestion. The variables that Kubernetes injects for a Service
//     whose name starts with "vidbell" are left alone.
//
// # What it does not do
//
// It opens no connection and starts nothing. It reads secret files and the TLS files of NATS, and no other. Rules that
// belong to another package (the shape of a webhook secret, a retry schedule) are handed to [Load] as checks by the
// wiring, so that their problems are listed with the rest.
package config
