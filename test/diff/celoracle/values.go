package main

import (
	"fmt"
	"log"
	"math"
	"math/rand"
	"regexp"
	"strconv"

	"github.com/blang/semver/v4"
	"k8s.io/apimachinery/pkg/api/resource"
)

func try(c *client, question, reply any) {
	if err := c.ask(question, reply); err != nil {
		log.Fatalf("the C program: %v on %+v", err, question)
	}
}

// ---- regular expressions ----

type regexCase struct {
	Pattern string `json:"pattern"`
	Text    string `json:"text"`
}

type regexReply struct {
	Outcome string `json:"outcome"`
	Match   bool   `json:"match"`
	Found   []int  `json:"found"`
}

func randomPattern(r *rand.Rand, depth int) string {
	pick := func(s ...string) string { return s[r.Intn(len(s))] }
	if depth > 4 || r.Intn(4) == 0 {
		return pick("a", "b", "c", "é", ".", "[ab]", "[^a]", "[a-c]", "\\d", "\\w", "\\s", "^", "$", "\\b", "\\B", "(?i)", "\\.",
			"[[:alpha:]]", "\\pL", "\\p{Greek}", "[\\d-]", "", "k", "K", "\\x41", "\\Qa.b\\E", "\\z", "\\A", "(?m)^", "(?s).", "\n", "-")
	}
	switch r.Intn(8) {
	case 0, 1, 2:
		return randomPattern(r, depth+1) + randomPattern(r, depth+1)
	case 3:
		return "(" + randomPattern(r, depth+1) + "|" + randomPattern(r, depth+1) + ")"
	case 4:
		return "(?:" + randomPattern(r, depth+1) + ")" + pick("*", "+", "?", "*?", "+?", "??", "{2}", "{1,3}", "{0,2}?", "{2,}")
	case 5:
		return pick("(?i:", "(?s:", "(?U:", "(?P<n>", "(") + randomPattern(r, depth+1) + ")"
	case 6:
		return randomPattern(r, depth+1) + pick("*", "+", "?", "{", "}", ")", "(", "[", "\\", "**", "{3,1}", "{1001}")
	default:
		return randomPattern(r, depth+1)
	}
}

func compareRegex(c *client, n, show int, r *rand.Rand) bool {
	letters := []rune("aabbcck-K. 1é日\nAB_")
	counts := map[string]int{}
	failed := 0
	for i := 0; i < n; i++ {
		test := regexCase{Pattern: randomPattern(r, 0)}
		for j := r.Intn(12); j > 0; j-- {
			test.Text += string(letters[r.Intn(len(letters))])
		}
		var ours regexReply
		try(c, test, &ours)
		re, err := regexp.Compile(test.Pattern)
		theirs := regexReply{Outcome: "bad"}
		if err == nil {
			theirs.Outcome = "ok"
			theirs.Match = re.MatchString(test.Text)
			if loc := re.FindStringIndex(test.Text); loc != nil {
				theirs.Found = loc
			}
		}
		if len(ours.Found) > 2 {
			ours.Found = ours.Found[:2]
		}
		same := ours.Outcome == theirs.Outcome && ours.Match == theirs.Match && fmt.Sprint(ours.Found) == fmt.Sprint(theirs.Found)
		if same {
			counts["equal: "+theirs.Outcome]++
			continue
		}
		counts["DIFFERENT"]++
		if failed++; failed <= show {
			fmt.Printf("DIFFERENT %q on %q: theirs %+v %v, ours %+v\n", test.Pattern, test.Text, theirs, err, ours)
		}
	}
	printCounts(counts)
	return failed == 0
}

// ---- quantities ----

type quantityCase struct {
	Quantity string `json:"quantity"`
	Other    string `json:"other"`
}

type quantityReply struct {
	Outcome    string `json:"outcome"`
	Order      int    `json:"order"`
	Text       string `json:"text"`
	Int        *int64 `json:"int"`
	Float      string `json:"float"`
	Sum        string `json:"sum"`
	Difference string `json:"difference"`
}

func randomQuantity(r *rand.Rand) string {
	digits := func(max int) string {
		s := ""
		for n := r.Intn(max + 1); n > 0; n-- {
			s += string("0000123456789"[r.Intn(13)])
		}
		return s
	}
	pick := func(s ...string) string { return s[r.Intn(len(s))] }
	s := pick("", "", "", "-", "+") + digits(pick2(r, 6, 20))
	if r.Intn(3) == 0 {
		s += "." + digits(pick2(r, 4, 12))
	}
	return s + pick("", "", "n", "u", "m", "k", "M", "G", "T", "P", "E", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei", "e3", "E-2", "e+4", "e10", "e-12", "x", "Kim", "e")
}

func pick2(r *rand.Rand, usual, seldom int) int {
	if r.Intn(6) == 0 {
		return seldom
	}
	return usual
}

func compareQuantities(c *client, n, show int, r *rand.Rand) bool {
	counts := map[string]int{}
	failed := 0
	for i := 0; i < n; i++ {
		test := quantityCase{randomQuantity(r), randomQuantity(r)}
		if r.Intn(5) == 0 {
			test.Other = test.Quantity + ""
		}
		var ours quantityReply
		try(c, test, &ours)
		theirs := quantityReply{Outcome: "bad"}
		a, errA := resource.ParseQuantity(test.Quantity)
		b, errB := resource.ParseQuantity(test.Other)
		if errA == nil && errB == nil {
			theirs.Outcome = "ok"
			if v, ok := a.AsInt64(); ok {
				theirs.Int = &v
			}
			theirs.Float = strconv.FormatFloat(a.AsApproximateFloat64(), 'g', -1, 64)
			sum, difference := a.DeepCopy(), a.DeepCopy()
			sum.Add(b)
			difference.Sub(b)
			clean := a.DeepCopy()
			number, suffix := clean.CanonicalizeBytes(nil)
			theirs.Text = string(number) + string(suffix)
			number, suffix = sum.CanonicalizeBytes(nil)
			theirs.Sum = string(number) + string(suffix)
			number, suffix = difference.CanonicalizeBytes(nil)
			theirs.Difference = string(number) + string(suffix)
			theirs.Order = a.Cmp(b)
		}
		if ours.Outcome == "unsupported" || (theirs.Outcome == "ok" && ours.Outcome == "ok" && ours.Sum == "") {
			counts["unsupported"]++
			continue
		}
		same := ours.Outcome == theirs.Outcome && ours.Order == theirs.Order && ours.Text == theirs.Text &&
			ours.Sum == theirs.Sum && ours.Difference == theirs.Difference && (ours.Int == nil) == (theirs.Int == nil)
		if same && ours.Int != nil {
			same = *ours.Int == *theirs.Int
		}
		if same && theirs.Outcome == "ok" {
			x, _ := strconv.ParseFloat(ours.Float, 64)
			y, _ := strconv.ParseFloat(theirs.Float, 64)
			same = math.Float64bits(x) == math.Float64bits(y) || (x == 0 && y == 0)
		}
		if same {
			counts["equal: "+theirs.Outcome]++
			continue
		}
		counts["DIFFERENT"]++
		if failed++; failed <= show {
			fmt.Printf("DIFFERENT %+v:\n  theirs %+v %v\n  ours   %+v %v\n", test, theirs, pointer(theirs.Int), ours, pointer(ours.Int))
		}
	}
	printCounts(counts)
	return failed == 0
}

func pointer(v *int64) string {
	if v == nil {
		return "none"
	}
	return strconv.FormatInt(*v, 10)
}

// ---- versions ----

type versionCase struct {
	Version string `json:"version"`
	Other   string `json:"other"`
}

type versionReply struct {
	Outcome string `json:"outcome"`
	Order   int    `json:"order"`
}

func randomVersion(r *rand.Rand) string {
	pick := func(s ...string) string { return s[r.Intn(len(s))] }
	number := func() string { return pick("0", "1", "2", "10", "550", "01", "", "18446744073709551616", "a") }
	usual := func() string {
		if r.Intn(8) == 0 {
			return number()
		}
		return pick("0", "1", "2", "10")
	}
	s := usual() + "." + usual() + "." + usual()
	if r.Intn(2) == 0 {
		s += "-" + pick("rc", "1", "alpha", "rc.1", "rc.2", "rc.10", "1.a", "", "01", "a-b", "x..y", "a_b")
	}
	if r.Intn(4) == 0 {
		s += "+" + pick("b", "b.1", "", "01", "é", "a+b")
	}
	return s
}

func compareVersions(c *client, n, show int, r *rand.Rand) bool {
	counts := map[string]int{}
	failed := 0
	for i := 0; i < n; i++ {
		test := versionCase{randomVersion(r), randomVersion(r)}
		var ours versionReply
		try(c, test, &ours)
		theirs := versionReply{Outcome: "bad"}
		a, errA := semver.Parse(test.Version)
		b, errB := semver.Parse(test.Other)
		if errA == nil && errB == nil {
			theirs = versionReply{"ok", a.Compare(b)}
		}
		if ours == theirs {
			counts["equal: "+theirs.Outcome]++
			continue
		}
		counts["DIFFERENT"]++
		if failed++; failed <= show {
			fmt.Printf("DIFFERENT %+v: theirs %+v, ours %+v\n", test, theirs, ours)
		}
	}
	printCounts(counts)
	return failed == 0
}
