package wire

import (
	"fmt"
	"os"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// The table of section 5 is the code's: types, limits, fields and their kinds.
func TestProtocolTextHolds(t *testing.T) {
	text, err := os.ReadFile("PROTOCOL.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := regexp.MustCompile(`(?m)^\| (0x[0-9a-f]{4}) \| (\w+) \| (\d+) \| (.*)\|\r?$`).FindAllStringSubmatch(string(text), -1)
	fields := map[Type]string{}
	for _, m := range samples(t) {
		fields[m.Type()] = fieldsOf(reflect.TypeOf(m))
	}
	fields[TypeBlock] = "not a map: one byte string"
	for _, row := range rows {
		n, err := strconv.ParseUint(row[1], 0, 16)
		if err != nil {
			t.Fatal(err)
		}
		k, ok := kinds[Type(n)]
		if want := fmt.Sprintf("%s %d %s", k.name, k.body, fields[Type(n)]); !ok || want != row[2]+" "+row[3]+" "+strings.TrimSpace(row[4]) {
			t.Errorf("%s: the text says %q, the code %q", row[1], row[2:], want)
		}
		delete(fields, Type(n))
	}
	for typ := range fields {
		t.Errorf("%v is not in the text", typ)
	}
	for _, element := range []any{StoredRecord{}, Provider{}} {
		typ := reflect.TypeOf(element)
		if want := "**" + typ.Name() + "** " + fieldsOf(typ); !strings.Contains(string(text), want) {
			t.Errorf("the text does not say %q", want)
		}
	}
}

// fieldsOf lists the fields of a message as the text does.
func fieldsOf(t reflect.Type) string {
	var out []string
	for f := range t.Fields() {
		key, _, ok := strings.Cut(f.Tag.Get("cbor"), ",")
		if ok {
			out = append(out, fmt.Sprintf("%s %s %s", key, f.Name, kindOf(f.Type)))
		}
	}
	return strings.Join(out, ", ")
}

func kindOf(t reflect.Type) string {
	switch {
	case t == reflect.TypeFor[Hash]():
		return "hash"
	case t == reflect.TypeFor[[]byte]():
		return "bytes"
	case t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Struct:
		return "[" + t.Elem().Name() + "]"
	case t.Kind() == reflect.Slice:
		return "[" + kindOf(t.Elem()) + "]"
	case t.Kind() == reflect.Uint64:
		return "uint"
	case t.Kind() == reflect.String:
		return "text"
	case t.Kind() == reflect.Bool:
		return "bool"
	}
	return t.String()
}
