package main

import (
	"fmt"
	"math/rand"
	"strings"
)

// generator makes expressions by type, mostly valid ones.
type generator struct {
	r     *rand.Rand
	depth int
	vars  []variable
	next  int
}

type variable struct{ name, kind string }

func (g *generator) pick(options ...string) string { return options[g.r.Intn(len(options))] }
func (g *generator) chance(percent int) bool       { return g.r.Intn(100) < percent }

var domains = []string{"gpu.example.com", "dra.net", "resource.kubernetes.io", "none.example.com"}
var ids = []string{"model", "index", "healthy", "version", "memory", "count", "labels", "nums", "missing"}

func (g *generator) device() device {
	d := device{Driver: g.pick(domains[:3]...), Multi: g.chance(30),
		Attributes: map[string]attribute{}, Capacity: map[string]capacity{}}
	// A name with the driver's domain is the same as one without: upstream's order is random then.
	name := func(id string) string {
		domain := g.pick(domains[:3]...)
		if domain == d.Driver {
			return id
		}
		return domain + "/" + id
	}
	for i := g.r.Intn(10); i > 0; i-- {
		d.Attributes[name(g.pick(ids...))] = g.attribute()
	}
	for i := g.r.Intn(4); i > 0; i-- {
		d.Capacity[name(g.pick("memory", "cores", "slots"))] = capacity{g.quantityText()}
	}
	return d
}

func (g *generator) attribute() attribute {
	switch g.r.Intn(9) {
	case 0, 1:
		v := g.r.Int63n(6) - 1
		return attribute{Int: &v}
	case 2:
		v := g.chance(50)
		return attribute{Bool: &v}
	case 3, 4:
		v := g.word()
		return attribute{String: &v}
	case 5:
		v := g.versionText()
		return attribute{Version: &v}
	case 6:
		return attribute{Ints: []int64{g.r.Int63n(3), g.r.Int63n(3)}}
	case 7:
		return attribute{Strings: []string{g.word(), g.word(), g.word()}}
	default:
		return attribute{Versions: []string{g.versionText()}}
	}
}

func (g *generator) word() string {
	return g.pick("", "a", "b", "ab", "A100", "a100-sxm4-80gb", "H100", "nvidia a100", "x,y,z", "10.0.0.7",
		"äöü", "日本", "  pad ", "model-a", "1g.10gb", "5", "true", "%s", "2024-01-02T03:04:05Z")
}

func (g *generator) versionText() string {
	return g.pick("1.0.0", "1.2.3", "0.9.12", "550.54.15", "1.2.3-rc.1", "1.2.3-alpha", "2.0.0+b1", "10.0.0")
}

func (g *generator) quantityText() string {
	return g.pick("0", "1", "40Gi", "80Gi", "500m", "1.5Gi", "10", "1e3", "16", "0.1", "1k", "1Ki", "100M", "-5")
}

func (g *generator) quote(s string) string {
	s = strings.ReplaceAll(strings.ReplaceAll(s, `\`, `\\`), `"`, `\"`)
	return `"` + s + `"`
}

// local gives a variable of that kind, if one is in scope.
func (g *generator) local(kind string) string {
	for _, i := range g.r.Perm(len(g.vars)) {
		if g.vars[i].kind == kind {
			return g.vars[i].name
		}
	}
	return ""
}

// attr is an attribute of the device, whatever its type.
func (g *generator) attr() string {
	domain, id := g.pick(domains...), g.pick(ids...)
	switch g.r.Intn(6) {
	case 0:
		return fmt.Sprintf("device.attributes[%q][%q]", domain, id)
	case 1:
		return fmt.Sprintf("device.attributes[%q].?%s.orValue(%s)", domain, id, g.literal())
	case 2:
		return fmt.Sprintf("device.attributes[?%q][?%q].orValue(%s)", domain, id, g.literal())
	case 3:
		if v := g.local("dyn"); v != "" {
			return v
		}
	}
	return fmt.Sprintf("device.attributes[%q].%s", domain, id)
}

func (g *generator) literal() string {
	return g.pick("1", "0", `"a"`, `"a100"`, "true", "false", "2.5", `semver("1.2.3")`, "3u", `quantity("1")`)
}

// withVar makes `body` while a variable of `kind` is in scope.
func (g *generator) withVar(kind string, body func(name string) string) string {
	name := fmt.Sprintf("v%d", g.next)
	g.next++
	g.vars = append(g.vars, variable{name, kind})
	text := body(name)
	g.vars = g.vars[:len(g.vars)-1]
	return text
}

// expr is an expression of that kind.
func (g *generator) expr(kind string) string {
	g.depth++
	defer func() { g.depth-- }()
	if v := g.local(kind); v != "" && g.chance(25) {
		return v
	}
	small := g.depth > 5
	if !small && g.chance(6) {
		return fmt.Sprintf("(%s ? %s : %s)", g.expr("bool"), g.expr(kind), g.expr(kind))
	}
	if !small && g.chance(3) {
		other := g.pick("int", "string", "bool", "list(int)", "dyn")
		init := g.expr(other)
		return g.withVar(other, func(v string) string {
			return fmt.Sprintf("cel.bind(%s, %s, %s)", v, init, g.expr(kind))
		})
	}
	switch kind {
	case "bool":
		return g.boolExpr(small)
	case "int":
		return g.intExpr(small)
	case "uint":
		return g.uintExpr(small)
	case "double":
		return g.doubleExpr(small)
	case "string":
		return g.stringExpr(small)
	case "bytes":
		return g.pick(`b"ab"`, `bytes("xy")`, "bytes("+g.quote(g.word())+")")
	case "list(int)":
		return g.intList(small)
	case "list(string)":
		return g.stringList(small)
	case "map":
		return g.mapExpr(small)
	case "quantity":
		return g.quantityExpr(small)
	case "semver":
		return g.semverExpr(small)
	case "timestamp":
		return g.timestampExpr(small)
	case "duration":
		return g.durationExpr(small)
	case "optional(int)":
		return g.optionalExpr(small)
	default:
		return g.dynExpr(small)
	}
}

func (g *generator) e(format string, kinds ...string) string {
	args := make([]any, len(kinds))
	for i, k := range kinds {
		args[i] = g.expr(k)
	}
	return fmt.Sprintf(format, args...)
}

var allKinds = []string{"bool", "int", "uint", "double", "string", "bytes", "list(int)", "list(string)", "map",
	"quantity", "semver", "timestamp", "duration", "dyn", "optional(int)"}

func (g *generator) comparison() string {
	kind := g.pick("int", "int", "string", "double", "uint", "bool", "bytes", "timestamp", "duration")
	op := g.pick("<", "<=", ">", ">=")
	if g.chance(20) {
		return fmt.Sprintf("%s %s %s", g.expr(g.pick("int", "uint", "double")), op, g.expr(g.pick("int", "uint", "double")))
	}
	if g.chance(20) {
		return fmt.Sprintf("%s %s %s", g.expr("dyn"), op, g.expr(kind))
	}
	return fmt.Sprintf("%s %s %s", g.expr(kind), op, g.expr(kind))
}

func (g *generator) equality() string {
	op := g.pick("==", "==", "!=")
	if g.chance(40) {
		return fmt.Sprintf("%s %s %s", g.expr("dyn"), op, g.expr(g.pick(allKinds...)))
	}
	kind := g.pick(allKinds...)
	return fmt.Sprintf("%s %s %s", g.expr(kind), op, g.expr(kind))
}

func (g *generator) macro() string {
	list := g.pick("list(int)", "list(string)", "map", "dyn")
	elem := map[string]string{"list(int)": "int", "list(string)": "string", "map": "string", "dyn": "dyn"}[list]
	over := g.expr(list)
	if g.chance(25) {
		first := map[string]string{"list(int)": "int", "list(string)": "int", "map": "string", "dyn": "dyn"}[list]
		second := map[string]string{"list(int)": "int", "list(string)": "string", "map": "int", "dyn": "dyn"}[list]
		return g.withVar(first, func(a string) string {
			return g.withVar(second, func(b string) string {
				return fmt.Sprintf("%s.%s(%s, %s, %s)", over, g.pick("all", "exists", "existsOne", "exists_one"), a, b, g.expr("bool"))
			})
		})
	}
	return g.withVar(elem, func(v string) string {
		return fmt.Sprintf("%s.%s(%s, %s)", over, g.pick("all", "exists", "exists_one"), v, g.expr("bool"))
	})
}

func (g *generator) boolExpr(small bool) string {
	if small {
		return g.pick("true", "false", "device.allowMultipleAllocations", g.attr()+" == 1",
			fmt.Sprintf("has(%s)", "device.attributes[\"dra.net\"].model"))
	}
	switch g.r.Intn(22) {
	case 0, 1:
		return g.e("(%s && %s)", "bool", "bool")
	case 2, 3:
		return g.e("(%s || %s)", "bool", "bool")
	case 4:
		return g.e("!(%s)", "bool")
	case 5, 6:
		return "(" + g.comparison() + ")"
	case 7, 8, 9:
		return "(" + g.equality() + ")"
	case 10, 11:
		return g.macro()
	case 12:
		return fmt.Sprintf("has(device.attributes[%q].%s)", g.pick(domains...), g.pick(ids...))
	case 13:
		return g.e("%s."+g.pick("startsWith", "endsWith", "contains")+"(%s)", "string", "string")
	case 14:
		return fmt.Sprintf("%s.matches(%s)", g.expr("string"), g.quote(g.pick("^a", "a+", ".*100.*", "(?i)NVIDIA", "^$", "[0-9]+$", "\\d", "x|y")))
	case 15:
		if g.chance(50) {
			return fmt.Sprintf("(%q in device.attributes)", g.pick(domains...))
		}
		return fmt.Sprintf("(%s in %s)", g.expr("int"), g.expr(g.pick("list(int)", "dyn")))
	case 16:
		return fmt.Sprintf("(%s in [%s, %s])", g.expr(g.pick("string", "dyn")), g.quote(g.word()), g.quote(g.word()))
	case 17:
		return g.e("%s."+g.pick("isGreaterThan", "isLessThan")+"(%s)", "quantity", "quantity")
	case 18:
		return g.e("%s."+g.pick("isGreaterThan", "isLessThan")+"(%s)", "semver", "semver")
	case 19:
		return fmt.Sprintf("sets.%s(%s, %s)", g.pick("contains", "equivalent", "intersects"), g.expr("list(int)"), g.expr("list(int)"))
	case 20:
		return g.pick(g.e("%s.isSorted()", "list(int)"), g.e("%s.isInteger()", "quantity"), g.e("isQuantity(%s)", "string"),
			g.e("isSemver(%s)", "string"), g.e("isSemver(%s, true)", "string"), g.e("%s.hasValue()", "optional(int)"),
			g.e("%s.includes(%s)", "dyn", "dyn"), g.e("bool(%s)", "string"), g.e("%s.includes(%s)", "list(int)", "int"))
	default:
		return g.attr()
	}
}

func (g *generator) intExpr(small bool) string {
	if small {
		return g.pick("0", "1", "2", "-1", "9223372036854775807", "42")
	}
	switch g.r.Intn(12) {
	case 0, 1:
		return g.e("(%s "+g.pick("+", "-", "*", "/", "%%")+" %s)", "int", "int")
	case 2:
		return g.e("-(%s)", "int")
	case 3:
		return fmt.Sprintf("size(%s)", g.expr(g.pick("string", "list(int)", "map", "bytes", "dyn")))
	case 4:
		return fmt.Sprintf("int(%s)", g.expr(g.pick("uint", "double", "string", "timestamp", "duration", "int")))
	case 5:
		return g.e("%s."+g.pick("indexOf", "lastIndexOf")+"(%s)", "string", "string")
	case 6:
		return g.pick(g.e("%s.sum()", "list(int)"), g.e("%s.max()", "list(int)"), g.e("%s.min()", "list(int)"),
			g.e("%s.indexOf(%s)", "list(int)", "int"), g.e("%s.lastIndexOf(%s)", "list(int)", "int"),
			g.e("%s.indexOf(%s, %s)", "string", "string", "int"), g.e("%s.lastIndexOf(%s, %s)", "string", "string", "int"))
	case 7:
		return g.pick(g.e("%s.compareTo(%s)", "quantity", "quantity"), g.e("%s.asInteger()", "quantity"), g.e("sign(%s)", "quantity"),
			g.e("%s.compareTo(%s)", "semver", "semver"), g.e("%s."+g.pick("major", "minor", "patch")+"()", "semver"))
	case 8:
		return g.e("%s[%s]", "list(int)", "int")
	case 9:
		return g.pick(g.e("%s.orValue(%s)", "optional(int)", "int"), g.e("%s.value()", "optional(int)"))
	case 10:
		return g.pick(g.e("%s."+g.pick("getFullYear", "getMonth", "getDate", "getDayOfMonth", "getDayOfWeek", "getDayOfYear", "getHours", "getMinutes", "getSeconds", "getMilliseconds")+"()", "timestamp"),
			g.e("%s."+g.pick("getHours", "getMinutes", "getSeconds", "getMilliseconds")+"()", "duration"))
	default:
		return g.pick("0", "1", "3", "5", "7", "-2", "0x1F")
	}
}

func (g *generator) uintExpr(small bool) string {
	if small || g.chance(50) {
		return g.pick("0u", "1u", "7u", "18446744073709551615u")
	}
	return g.pick(g.e("(%s "+g.pick("+", "-", "*", "/", "%%")+" %s)", "uint", "uint"), g.e("uint(%s)", "int"), g.e("uint(%s)", "double"))
}

func (g *generator) doubleExpr(small bool) string {
	if small || g.chance(50) {
		return g.pick("0.0", "1.5", "-2.25", "1e3", "3.0", "1e300", ".5")
	}
	return g.pick(g.e("(%s "+g.pick("+", "-", "*", "/")+" %s)", "double", "double"), g.e("double(%s)", "int"),
		g.e("double(%s)", "uint"), g.e("%s.asApproximateFloat()", "quantity"), g.e("double(%s)", "string"))
}

func (g *generator) stringExpr(small bool) string {
	if small {
		return g.quote(g.word())
	}
	switch g.r.Intn(14) {
	case 0:
		return g.e("(%s + %s)", "string", "string")
	case 1:
		return fmt.Sprintf("string(%s)", g.expr(g.pick("int", "uint", "double", "bool", "bytes", "timestamp", "duration", "string")))
	case 2:
		return g.e("%s."+g.pick("lowerAscii", "upperAscii", "trim")+"()", "string")
	case 3:
		return g.e("%s.replace(%s, %s)", "string", "string", "string")
	case 4:
		return g.e("%s.substring(%s)", "string", "int")
	case 5:
		return g.e("%s.substring(%s, %s)", "string", "int", "int")
	case 6:
		return g.e("%s.charAt(%s)", "string", "int")
	case 7:
		return g.pick(g.e("%s.join()", "list(string)"), g.e("%s.join(%s)", "list(string)", "string"))
	case 8:
		return g.pick(g.e("strings.quote(%s)", "string"), g.e("%s.replace(%s, %s, %s)", "string", "string", "string", "int"))
	case 9:
		return g.e("%s.find('[a-z]+')", "string")
	case 10:
		return fmt.Sprintf("%s.format([%s])", g.quote(g.pick("%s", "x%sy", "%%%s", "[%s]")), g.expr(g.pick("string", "int", "bool", "list(int)", "uint", "duration", "timestamp")))
	case 11:
		return fmt.Sprintf("%s.format([%s])", g.quote(g.pick("%d", "%x", "%X", "%o", "%b")), g.expr(g.pick("int", "uint")))
	case 12:
		return "device.driver"
	default:
		return g.quote(g.word())
	}
}

func (g *generator) intList(small bool) string {
	if small {
		return g.pick("[1, 2, 3]", "[5]", "[0, 0, 1]", "[3, 1, 2]")
	}
	switch g.r.Intn(10) {
	case 0:
		return g.e("(%s + %s)", "list(int)", "list(int)")
	case 1:
		over := g.expr("list(int)")
		return g.withVar("int", func(v string) string {
			return fmt.Sprintf("%s.%s", over, g.pick(fmt.Sprintf("filter(%s, %s)", v, g.expr("bool")), fmt.Sprintf("map(%s, %s)", v, g.expr("int")),
				fmt.Sprintf("map(%s, %s, %s)", v, g.expr("bool"), g.expr("int")), fmt.Sprintf("sortBy(%s, %s)", v, g.expr("int"))))
		})
	case 2:
		return g.e("%s."+g.pick("sort", "reverse", "distinct")+"()", "list(int)")
	case 3:
		return g.e("%s.slice(%s, %s)", "list(int)", "int", "int")
	case 4:
		return fmt.Sprintf("lists.range(%d)", g.r.Intn(6))
	case 5:
		return g.e("[%s, %s].flatten()", "list(int)", "list(int)")
	case 6:
		over := g.expr("list(int)")
		return g.withVar("int", func(a string) string {
			return g.withVar("int", func(b string) string {
				return fmt.Sprintf("%s.transformList(%s, %s, %s)", over, a, b, g.expr("int"))
			})
		})
	case 7:
		return g.e("[%s, ?%s]", "int", "optional(int)")
	default:
		return g.e("[%s, %s]", "int", "int")
	}
}

func (g *generator) stringList(small bool) string {
	if small {
		return g.pick(`["a", "b"]`, `["A100"]`, `["x", "", "y"]`)
	}
	switch g.r.Intn(6) {
	case 0:
		return g.e("%s.split(%s)", "string", "string")
	case 1:
		return g.e("%s.findAll('[a-z0-9]')", "string")
	case 2:
		return g.e("%s.split(%s, %s)", "string", "string", "int")
	case 3:
		over := g.expr("list(string)")
		return g.withVar("string", func(v string) string {
			return fmt.Sprintf("%s.map(%s, %s)", over, v, g.expr("string"))
		})
	case 4:
		return g.e("%s."+g.pick("sort", "reverse", "distinct")+"()", "list(string)")
	default:
		return g.e("[%s, %s]", "string", "string")
	}
}

func (g *generator) mapExpr(small bool) string {
	if small || g.chance(50) {
		return g.pick(`{"a": 1}`, `{"a": 1, "b": 2}`, `{"x": 5}`)
	}
	if g.chance(30) {
		over := g.expr("map")
		return g.withVar("string", func(a string) string {
			return g.withVar("int", func(b string) string {
				return fmt.Sprintf("%s.transformMap(%s, %s, %s)", over, a, b, g.expr("int"))
			})
		})
	}
	return g.pick(g.e(`{"k": %s}`, "int"), g.e(`{"k": %s, "l": %s}`, "int", "int"), g.e(`{?"k": %s}`, "optional(int)"))
}

func (g *generator) quantityExpr(small bool) string {
	if small || g.chance(40) {
		return fmt.Sprintf("quantity(%q)", g.quantityText())
	}
	switch g.r.Intn(4) {
	case 0:
		return g.e("%s."+g.pick("add", "sub")+"(%s)", "quantity", g.pick("quantity", "int"))
	case 1:
		return g.e("quantity(%s)", "string")
	default:
		return fmt.Sprintf("device.capacity[%q].%s", g.pick(domains...), g.pick("memory", "cores", "slots"))
	}
}

func (g *generator) semverExpr(small bool) string {
	if small || g.chance(70) {
		return fmt.Sprintf("semver(%q)", g.versionText())
	}
	return g.pick(g.e("semver(%s)", "string"), `semver("v1.2", true)`, `semver("01.2.3", true)`)
}

func (g *generator) timestampExpr(small bool) string {
	if small || g.chance(60) {
		return g.pick(`timestamp("2024-02-29T12:30:45Z")`, `timestamp("1969-12-31T23:59:59.5Z")`, `timestamp(0)`, `timestamp("2024-06-01T00:00:00+02:00")`)
	}
	return g.pick(g.e("(%s "+g.pick("+", "-")+" %s)", "timestamp", "duration"), g.e("timestamp(%s)", "int"), g.e("timestamp(%s)", "string"))
}

func (g *generator) durationExpr(small bool) string {
	if small || g.chance(60) {
		return g.pick(`duration("1h")`, `duration("90s")`, `duration("-1.5s")`, `duration("100ms")`, `duration("1h2m3.5s")`)
	}
	return g.pick(g.e("(%s "+g.pick("+", "-")+" %s)", "duration", "duration"), g.e("(%s - %s)", "timestamp", "timestamp"), g.e("duration(%s)", "string"))
}

func (g *generator) optionalExpr(small bool) string {
	if small {
		return g.pick("optional.of(1)", "optional.none()")
	}
	switch g.r.Intn(8) {
	case 0:
		return g.e("optional.of(%s)", "int")
	case 1:
		return g.e("optional.ofNonZeroValue(%s)", "int")
	case 2:
		return g.e("%s[?%s]", "list(int)", "int")
	case 3:
		return g.e("%s[?%s]", "map", "string")
	case 4:
		return g.e("%s.or(%s)", "optional(int)", "optional(int)")
	case 5:
		over := g.expr("optional(int)")
		return g.withVar("int", func(v string) string {
			return fmt.Sprintf("%s.%s", over, g.pick(fmt.Sprintf("optMap(%s, %s)", v, g.expr("int")), fmt.Sprintf("optFlatMap(%s, %s)", v, g.expr("optional(int)"))))
		})
	case 6:
		return g.e("%s."+g.pick("first", "last")+"()", "list(int)")
	default:
		return g.e("%s.?"+g.pick("a", "k")+"", "map")
	}
}

func (g *generator) dynExpr(small bool) string {
	if small || g.chance(75) {
		return g.attr()
	}
	return g.e("dyn(%s)", g.pick("int", "string", "bool", "list(int)", "double", "map", "semver", "quantity", "uint"))
}

// mutate damages an expression: such cases must be refused or accepted alike.
func (g *generator) mutate(text string) string {
	b := []byte(text)
	for i := 1 + g.r.Intn(2); i > 0 && len(b) > 0; i-- {
		at := g.r.Intn(len(b))
		switch g.r.Intn(3) {
		case 0:
			b = append(b[:at], b[at+1:]...)
		case 1:
			const bytes = "()[]{}.,?:!&|=<>+-*/%\"'abdinx019 u"
			b[at] = bytes[g.r.Intn(len(bytes))]
		default:
			b = append(b[:at], append([]byte(g.pick(".", "(", ")", "!", "==", " in ", "a", "1", "[", "]", "?", "-", "u", "dyn(")), b[at:]...)...)
		}
	}
	return string(b)
}

func (g *generator) exprCase() exprCase {
	g.vars, g.depth, g.next = nil, 0, 0
	c := exprCase{Device: g.device(), Expr: g.expr("bool")}
	if g.chance(12) {
		c.Expr = g.mutate(c.Expr)
	}
	return c
}
