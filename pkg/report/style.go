package report

import "github.com/fatih/color"

// style paints words, or leaves them as they are.
type style struct{ good, bad, warn, dim, bold func(a ...any) string }

func newStyle(enabled bool) style {
	paint := func(attributes ...color.Attribute) func(a ...any) string {
		c := color.New(attributes...)
		if enabled {
			c.EnableColor()
		} else {
			c.DisableColor()
		}
		return c.SprintFunc()
	}
	return style{
		good: paint(color.FgGreen),
		bad:  paint(color.FgRed, color.Bold),
		warn: paint(color.FgYellow),
		dim:  paint(color.Faint),
		bold: paint(color.Bold),
	}
}
