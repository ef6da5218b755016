package ui

import (
	"cmp"
	"errors"
	"net/http"
	"strings"

	"github.com/latchkeyhq/latchkey"
)

// failure is a page or a part of a page that can't be shown.
type failure struct {
	Title     string
	Text      string
	Next      string // what to do
	Icon      string
	RequestID string
	Retry     bool // trying again can help
}

// fail shows why there is no page.
func (v *visit) fail(err error) {
	status, f := v.failureOf(err)
	if v.who == nil { // nobody is signed in
		v.plain(v.w, v.r, status, f.Title, f.Text)
		return
	}
	v.write(status, "failure", page{Title: f.Title, Data: f})
}

// failureOf returns what to show of an error.
func (u *UI) failureOf(err error) (status int, f failure) {
	var refused *latchkey.Error
	if !errors.As(err, &refused) {
		u.Log.Error("a page of the dashboard failed", "error", err)
		return http.StatusInternalServerError, failure{
			Title: "This page could not be made", Icon: "triangle-alert", Retry: true,
			Text: "Nothing was changed by showing it. The log of the service has the reason.",
		}
	}
	f = failure{Text: refused.Detail, RequestID: refused.RequestID}
	switch refused.Status {
	case http.StatusForbidden:
		f.Title, f.Icon = "Not allowed", "lock"
		f.Next = "Who gave you the root key can give you another one with this permission."
	case http.StatusNotFound, http.StatusGone:
		f.Title, f.Icon = "Not found", "circle-slash"
		f.Next = "It was deleted, it is in another workspace, or the link is wrong."
	case http.StatusTooManyRequests:
		f.Title, f.Icon, f.Retry = "Too many requests", "gauge", true
		f.Next = "The request limit of the workspace is used up. The dashboard counts on it too."
	case http.StatusBadRequest:
		f.Title, f.Icon = "This link is wrong", "circle-alert"
		f.Text = problemOf(refused).Text
	case http.StatusServiceUnavailable:
		f.Title, f.Icon, f.Retry = "The service didn’t answer", "triangle-alert", true
		f.Next = "If you were changing something, look whether it was changed."
	default:
		f.Title, f.Icon = cmp.Or(refused.Title, "Refused"), "circle-alert"
	}
	return refused.Status, f
}

// problem is why a form was not accepted.
type problem struct {
	Text      string
	Fields    map[string]string // what is wrong, by the name of the field in the API
	RequestID string
}

// refusal returns why a form was not accepted. For any other error it returns nil: that is
// for the page as a whole.
func refusal(err error) *problem {
	var refused *latchkey.Error
	if !errors.As(err, &refused) || refused.Status == http.StatusUnauthorized {
		return nil
	}
	return problemOf(refused)
}

func problemOf(refused *latchkey.Error) *problem {
	p := &problem{
		Text: refused.Detail, Fields: map[string]string{}, RequestID: refused.RequestID,
	}
	var texts []string
	for _, fault := range refused.Faults {
		text := sentence(fault.Message)
		if fault.Fix != "" {
			text += " " + sentence(fault.Fix)
		}
		field := fieldOf(fault.Location)
		if field != "" {
			p.Fields[field] = text
			text = label(field) + ": " + text
		}
		texts = append(texts, text)
	}
	if len(texts) > 0 {
		p.Text = strings.Join(texts, " ")
	}
	return p
}

// fieldOf returns the field of the request in the location of a fault, such as
// /properties/name/minLength.
func fieldOf(location string) string {
	_, path, found := strings.Cut(location, "/properties/")
	if !found {
		return ""
	}
	field, _, _ := strings.Cut(path, "/")
	return field
}

// sentence returns a text with a capital and a full stop.
func sentence(text string) string {
	if text == "" {
		return ""
	}
	text = strings.ToUpper(text[:1]) + text[1:]
	if !strings.HasSuffix(text, ".") {
		text += "."
	}
	return text
}
