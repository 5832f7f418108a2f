// Package command is the command line: a cobra command for each thing a person can ask for, its flags, its help and its
// completion. A command checks its arguments and hands them to package app, which does the work; nothing is decided here.
// Completing a word reads the environment and the configuration file, and asks nobody.
package command
