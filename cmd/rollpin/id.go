package main

import (
	"crypto/rand"
	"time"
)

const (
	// idTime is the layout of an id's first part, in UTC.
	idTime = "20060102T150405"
	// digits sort as their values do. Letters that look like digits are left out, as in Crockford's base 32.
	digits = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
)

// deploymentID sorts by time: seconds, then the milliseconds in two digits of base 32, then two random ones. It comes after the newest id that
// is known, also where another machine's clock is ahead; newest is empty for none.
func deploymentID(now time.Time, newest string) string {
	id := newID(now.UTC())
	if id > newest || len(newest) < len(idTime) {
		return id
	}
	last, err := time.Parse(idTime, newest[:len(idTime)])
	if err != nil {
		return id
	}
	return newID(last.Add(time.Second))
}

func newID(at time.Time) string {
	ms := at.Nanosecond() / int(time.Millisecond)
	random := make([]byte, 2)
	_, _ = rand.Read(random) // it never fails: crypto/rand ends the program instead
	tail := []byte{digits[ms/32], digits[ms%32], digits[random[0]%32], digits[random[1]%32]}
	return at.Format(idTime) + "-" + string(tail)
}
