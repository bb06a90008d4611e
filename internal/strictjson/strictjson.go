// Package strictjson reads JSON that tells a program to do something. Where
// encoding/json takes the last of two members, one spelled in another case, or null
// for "as it was", it refuses: whoever wrote that may have meant something else.
package strictjson

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
	"unicode"
	"unicode/utf8"
)

var (
	errGoesOn  = errors.New("something follows the JSON object")
	errNotUTF8 = errors.New("it is not UTF-8")
	errNull    = errors.New("it is null: leave it out instead")
)

// Decode reads one JSON object from r into the struct that `into` points to, and
// refuses:
//   - members that the struct does not have, or not in that spelling;
//   - two members of one name, at any depth, also where only their case differs;
//   - null, text that is not UTF-8, and anything after the object.
//
// It reads all of r, which the caller has to bound; errors of r are wrapped.
func Decode(r io.Reader, into any) error {
	text, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	if !utf8.Valid(text) {
		return errNotUTF8
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	first, err := decoder.Token()
	if errors.Is(err, io.EOF) {
		return errors.New("it is empty, want a JSON object")
	}
	if err != nil {
		return err
	}
	if first != json.Delim('{') {
		return errors.New("it is no JSON object")
	}
	if err := object(decoder, reflect.TypeOf(into).Elem()); err != nil {
		return err
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return errGoesOn
	}
	return plain(json.Unmarshal(text, into))
}

// plain says of a value of another type what is wanted instead, without the names of Go's types.
func plain(err error) error {
	wrong, ok := errors.AsType[*json.UnmarshalTypeError](err)
	if !ok {
		return err
	}
	want := "a " + wrong.Type.String()
	switch wrong.Type.Kind() {
	case reflect.Map, reflect.Struct:
		want = "an object"
	case reflect.Slice, reflect.Array:
		want = "a list"
	case reflect.Bool:
		want = "true or false"
	case reflect.Int, reflect.Int64, reflect.Float64:
		want = "a number"
	}
	return fmt.Errorf("member %q is %s: want %s", wrong.Field, wrong.Value, want)
}

// object checks the rest of an object. t is what it will be decoded into.
func object(decoder *json.Decoder, t reflect.Type) error {
	seen := make(map[string]string)
	for decoder.More() {
		token, err := decoder.Token()
		if err != nil {
			return err
		}
		name, _ := token.(string)
		if before, twice := seen[fold(name)]; twice && before == name {
			return fmt.Errorf("member %q is there twice", name)
		} else if twice {
			return fmt.Errorf("members %q and %q differ only in case", before, name)
		}
		seen[fold(name)] = name
		of, known := member(t, name)
		if !known {
			return fmt.Errorf("there is no member %q", name)
		}
		if err := value(decoder, of); err != nil {
			return fmt.Errorf("member %q: %w", name, err)
		}
	}
	_, err := decoder.Token() // the end
	return err
}

// value checks one value.
func value(decoder *json.Decoder, t reflect.Type) error {
	token, err := decoder.Token()
	switch {
	case err != nil:
		return err
	case token == nil:
		return errNull
	case token == json.Delim('{'):
		return object(decoder, t)
	case token != json.Delim('['):
		return nil
	}
	if t != nil && (t.Kind() == reflect.Slice || t.Kind() == reflect.Array) {
		t = t.Elem()
	}
	for decoder.More() {
		if err := value(decoder, t); err != nil {
			return err
		}
	}
	_, err = decoder.Token()
	return err
}

// member is the type of what has this name, nil if any will do. Types that do not
// fit are left to encoding/json.
func member(t reflect.Type, name string) (of reflect.Type, known bool) {
	for t != nil && t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch {
	case t == nil:
		return nil, true
	case t.Kind() == reflect.Map:
		return t.Elem(), true
	case t.Kind() != reflect.Struct:
		return nil, true
	}
	for i := range t.NumField() {
		field := t.Field(i)
		tag, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		if tag == name && field.IsExported() {
			return field.Type, true
		}
	}
	return nil, false
}

// fold makes names alike that encoding/json takes for one.
func fold(name string) string {
	return strings.Map(func(r rune) rune {
		least := r
		for other := unicode.SimpleFold(r); other != r; other = unicode.SimpleFold(other) {
			least = min(least, other)
		}
		return least
	}, name)
}
