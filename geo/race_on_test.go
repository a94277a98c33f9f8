//go:build race

package geo

// raceDetector tells whether the tests run with it.
const raceDetector = true
