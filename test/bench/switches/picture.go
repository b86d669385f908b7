package main

import (
	"fmt"
	"strings"
)

// anatomy draws a switch in milliseconds: medians of a case, one bar for each part that clients wait for. Parts that run side by
// side begin together.
func anatomy(r result) string {
	const left, top, row, width = 110.0, 46.0, 22.0, 760.0
	ms := func(name string) float64 { return median(r.samples[name]) }
	fenced := max(ms("hold"), ms("fence"))
	moved := fenced + max(ms("drain"), ms("sequences"), ms("flip"))
	bars := []struct {
		name string
		from float64
	}{
		{"hold", 0}, {"fence", fenced - ms("fence")}, {"drain", fenced}, {"sequences", fenced}, {"flip", fenced},
		{"decide", moved}, {"open", moved + ms("decide")}, {"resume", moved + ms("decide") + ms("open")},
	}
	end := max(ms(held), moved+ms("decide")+ms("open")+ms("resume"), 1)
	scale := (width - left - 90) / end
	var b strings.Builder
	height := top + row*float64(len(bars)) + 40
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %.0f %.0f" font-family="sans-serif" font-size="13">`+"\n", width, height)
	fmt.Fprintf(&b, "<title>A switch in milliseconds</title>\n"+`<rect width="%.0f" height="%.0f" fill="#ffffff"/>`+"\n", width, height)
	fmt.Fprintf(&b, `<text x="12" y="22" font-weight="bold">What clients wait for, in milliseconds: medians of %d switches, %s</text>`+"\n", r.switches, r.scenario)
	for i, bar := range bars {
		y := top + row*float64(i)
		fmt.Fprintf(&b, `<text x="%.0f" y="%.0f" text-anchor="end">%s</text>`, left-8, y+13, bar.name)
		fmt.Fprintf(&b, `<rect x="%.1f" y="%.0f" width="%.1f" height="16" fill="#2f6f9f"/>`, left+bar.from*scale, y, max(1, ms(bar.name)*scale))
		fmt.Fprintf(&b, `<text x="%.1f" y="%.0f" fill="#333333">%.1f</text>`+"\n", left+(bar.from+ms(bar.name))*scale+6, y+13, ms(bar.name))
	}
	fmt.Fprintf(&b, `<text x="12" y="%.0f" fill="#333333">held %.0f ms; clients' stall %.0f ms; before the hold: prepare %.0f ms; after it: finish %.0f ms</text>`+"\n</svg>\n",
		height-14, ms(held), ms(stall), ms("prepare"), ms("finish"))
	return b.String()
}
