//go:build !race

package e2e

// raceDetector: the binary under test is built as this test is.
const raceDetector = false
