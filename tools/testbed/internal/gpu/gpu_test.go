package gpu

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// Every model here is a row of the C program's table, with the same MIG key, and its label is one
// of that row's product names.
func TestAgreesWithTheTableInC(t *testing.T) {
	text, err := os.ReadFile("../../../../src/model/gpu.c")
	if err != nil {
		t.Fatal(err)
	}
	rows := strings.Split(string(text), ".key = \"")
	for i := range Models {
		m := &Models[i]
		var row string
		for _, r := range rows[1:] {
			if strings.HasPrefix(r, m.Key+"\"") {
				row = r
			}
		}
		if row == "" {
			t.Errorf("%s: no such key in src/model/gpu.c", m.Key)
			continue
		}
		if !strings.Contains(row, "\""+m.Product()+"\"") {
			t.Errorf("%s: product %s is not in its row of src/model/gpu.c", m.Key, m.Product())
		}
		mig := ""
		if found := regexp.MustCompile(`\.mig_key = "([^"]*)"`).FindStringSubmatch(row); found != nil {
			mig = found[1]
		}
		if mig != m.MIG {
			t.Errorf("%s: MIG key %q here, %q in src/model/gpu.c", m.Key, m.MIG, mig)
		}
	}
}
