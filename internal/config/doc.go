// Package config turns the environment, and the file that VIDBELL_CONFIG names, into one checked, typed [Config].
//
// One list, [Variables], is the single truth: it names each variable, its type, default and meaning, and holds the
// function that parses it. [Help], [Reference], [Config.Effective], the defaults and the search for unknown names are
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
//   - The file is YAML. Its keys are the variables by another name ([Variable.Path]), parsed by the same functions; accounts,
//     sources and endpoints are lists. A problem in it carries file, line and column. Unknown keys, keys that stand twice and a
//     second document are problems; aliases and merges are followed within bounds. [Schema] and [Reference] are made from the
//     same list.
//   - A variable overrides what the file says for all; what it says of one source or endpoint stands.
//   - An unknown VIDBELL_ variable is a problem, with a suggestion. The variables that Kubernetes injects for a Service
//     whose name starts with "vidbell" are left alone.
//
// # What it does not do
//
// It opens no connection and starts nothing. It reads the configuration file, secret and template files and the TLS
// files of NATS, and no other. [Load] may be called again at any time, and reads all of them again. Rules that
// belong to another package (the shape of a webhook secret, a retry schedule) are handed to [Load] as checks by the
// wiring, so that their problems are listed with the rest.
package config
