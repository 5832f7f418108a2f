//go:build race

package e2e

// raceDetector: the binary under test is built as this test is, so that a data race in it fails a test here too.
const raceDetector = true
