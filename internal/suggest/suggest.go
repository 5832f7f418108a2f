// Package suggest finds the word that somebody meant who wrote another: of a flag, a parameter, a field, a setting.
package suggest

// Nearest returns the known word that is most like the given one, or "" when none is like it.
func Nearest(word string, known []string) string {
	best, least := "", 0
	for _, candidate := range known {
		if d := Distance(word, candidate); best == "" || d < least {
			best, least = candidate, d
		}
	}
	if least > max(1, len(word)/3) {
		return ""
	}
	return best
}

// Distance is the number of single-letter slips between two words (Levenshtein), two swapped letters being one slip.
func Distance(a, b string) int {
	before, last := make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row := make([]int, len(b)+1)
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last = last, row
	}
	return last[len(b)]
}
