// Package main makes and tries the table of fields that the API knows.
//
//	cd test/diff && go run ./drafields table > ../../src/dra/fields_data.c
//	drafields compare -batch DRA-FIELDS -n N -seed S    random objects through upstream and ours
package main

import (
	"fmt"
	"os"
)

func fail(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "drafields: "+format+"\n", args...)
	os.Exit(2)
}

func main() {
	verb := ""
	if len(os.Args) > 1 {
		verb = os.Args[1]
	}
	switch verb {
	case "table":
		printTable()
	case "compare":
		compare(os.Args[2:])
	default:
		fail("expected table or compare")
	}
}
