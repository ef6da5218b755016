package chart

import (
	"math"
	"strconv"
	"strings"
)

// number writes a number for people: with a narrow space between thousands, and as many
// decimals as give three digits, at most three and none needless. What isn't known is a
// dash.
func number(v float64) string {
	if math.IsNaN(v) {
		return "–"
	}
	decimals := 0
	if abs := math.Abs(v); abs < 100 && v != math.Trunc(v) {
		decimals = 2 - int(max(-1, math.Floor(math.Log10(abs))))
	}
	text := strconv.FormatFloat(v, 'f', decimals, 64)
	whole, fraction, _ := strings.Cut(text, ".")
	if fraction = strings.TrimRight(fraction, "0"); fraction != "" {
		fraction = "." + fraction
	}
	sign := ""
	if strings.HasPrefix(whole, "-") {
		sign, whole = "−", whole[1:]
	}
	for i := len(whole) - 3; i > 0; i -= 3 {
		whole = whole[:i] + "\u202f" + whole[i:]
	}
	return sign + whole + fraction
}
