package manual

import (
	"cmp"
	"slices"
	"strings"
)

// The bounds of a search.
const (
	MaxQuery = 256 // bytes
	maxHits  = 20
	maxWords = 8
	excerpt  = 180 // bytes of the text that is shown, about
)

// Hit is a section in which a text was found.
type Hit struct {
	Page    *Page
	Section Section
	// Before, Match and After are the text around the first place.
	Before, Match, After string
	score                int
}

// Path is the path of the URL of the section.
func (h Hit) Path() string {
	if h.Section.ID == "" {
		return Prefix + h.Page.Slug
	}
	return Prefix + h.Page.Slug + "#" + h.Section.ID
}

// Search returns the sections that have all words of a query, those first that have them in
// their titles, at most 20.
func (m *Manual) Search(query string) []Hit {
	words := strings.Fields(strings.ToLower(query[:min(len(query), MaxQuery)]))
	words = words[:min(len(words), maxWords)]
	if len(words) == 0 {
		return nil
	}
	var hits []Hit
	for _, group := range m.Groups {
		for _, page := range group.Pages {
			for _, section := range page.Sections {
				if score := section.score(page, words); score > 0 {
					hits = append(hits, Hit{Page: page, Section: section, score: score})
				}
			}
		}
	}
	slices.SortStableFunc(hits, func(a, b Hit) int { return cmp.Compare(b.score, a.score) })
	hits = hits[:min(len(hits), maxHits)]
	for i := range hits {
		hits[i].show(words[0])
	}
	return hits
}

// score is how well a section fits, and 0 if it lacks a word.
func (s *Section) score(page *Page, words []string) int {
	title, text := strings.ToLower(page.Title+" "+s.Title), strings.ToLower(s.Text)
	score := 0
	for _, word := range words {
		inTitle, inText := strings.Contains(title, word), strings.Count(text, word)
		if !inTitle && inText == 0 {
			return 0
		}
		if inTitle {
			score += 10
		}
		score += min(inText, 5)
	}
	return score
}

// show cuts the text around the first place of a word.
func (h *Hit) show(word string) {
	text := h.Section.Text
	at := strings.Index(strings.ToLower(text), word)
	if at < 0 || at+len(word) > len(text) {
		h.After = clip(text, excerpt)
		return
	}
	from := max(0, at-excerpt/3)
	h.Before = strings.ToValidUTF8(text[from:at], "")
	if from > 0 {
		_, h.Before, _ = strings.Cut(h.Before, " ")
		h.Before = "… " + h.Before
	}
	h.Match = strings.ToValidUTF8(text[at:at+len(word)], "")
	h.After = clip(text[at+len(word):], excerpt)
}

// clip returns the beginning of a text, up to a word.
func clip(text string, most int) string {
	if len(text) <= most {
		return text
	}
	text = text[:most]
	if end := strings.LastIndexByte(text, ' '); end > 0 {
		text = text[:end]
	}
	return strings.ToValidUTF8(text, "") + " …"
}
