package strictjson

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"
)

type request struct {
	Filter map[string]string `json:"filter"`
	DryRun bool              `json:"dry_run"`
	Rate   string            `json:"rate,omitempty"`
	Steps  []struct {
		Name string `json:"name"`
	} `json:"steps"`
}

func TestDecode(t *testing.T) {
	for text, want := range map[string]string{
		`{}`: "",
		` {"filter":{"state":"dead"},"dry_run":true,"rate":"1/s"} ` + "\n": "",
		`{"steps":[{"name":"a"},{"name":"b"}]}`:                            "",

		``:                        "empty",
		`null`:                    "no JSON object",
		`[]`:                      "no JSON object",
		`"filter"`:                "no JSON object",
		`{"filter":{}`:            "EOF",
		`{"filter":{"a" "b"}}`:    "invalid character",
		`{"dry_run":"yes"}`:       `member "dry_run" is string: want true or false`,
		`{"filter":[]}`:           `member "filter" is array: want an object`,
		`{"filter":{"state":{}}}`: "want a string",

		`{"filters":{}}`:                          `no member "filters"`,
		`{"":1}`:                                  `no member ""`,
		`{"steps":[{"name":"a"},{"age":1}]}`:      `no member "age"`,
		`{"Filter":{}}`:                           `no member "Filter"`,
		`{"DRY_RUN":true}`:                        `no member "DRY_RUN"`,
		`{"dry_run":true,"dry_run":false}`:        `member "dry_run" is there twice`,
		`{"dry_run":true,"Dry_Run":false}`:        "differ only in case",
		`{"dry_run":true,"dry_run":true}`:         "twice",
		`{"dry_run":true,"dr\u0079_run":false}`:   "twice",
		`{"filter":{"state":"dead","state":"x"}}`: `member "filter": member "state" is there twice`,
		`{"filter":{"state":"dead","ſtate":"x"}}`: "differ only in case",
		`{"filter":{"state":"dead","STATE":"x"}}`: "differ only in case",
		`{"steps":[{"name":"a","name":"b"}]}`:     "twice",

		`{"dry_run":null}`:          "null",
		`{"filter":null}`:           "null",
		`{"filter":{"state":null}}`: "null",

		`{} {}`:                                 "something follows",
		`{}}`:                                   "something follows",
		`{"rate":1}`:                            `member "rate" is number: want a string`,
		`{}x`:                                   "something follows",
		"{\"filter\":{\"state\":\"de\xffad\"}}": "not UTF-8",
	} {
		var got request
		err := Decode(strings.NewReader(text), &got)
		switch {
		case want == "" && err != nil:
			t.Errorf("%s: %v", text, err)
		case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
			t.Errorf("%s: error %v, want %q", text, err, want)
		case want == "":
			var loose request
			if err := json.Unmarshal([]byte(text), &loose); err != nil || !reflect.DeepEqual(got, loose) {
				t.Errorf("%s: %+v, want %+v, %v", text, got, loose, err)
			}
		}
	}
	broken := errors.New("broken")
	if err := Decode(iotest.ErrReader(broken), new(request)); !errors.Is(err, broken) {
		t.Errorf("error %v, want that of the reader", err)
	}
}
