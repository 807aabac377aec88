package ui

import (
	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/theme"
)

// openSVG is an arrow that leads out of a box: opens elsewhere, in the browser.
const openSVG = `<svg xmlns="http://www.w3.org/2000/svg" width="24" height="24" viewBox="0 0 24 24"><path fill="#000000" d="M5 3a2 2 0 0 0-2 2v14a2 2 0 0 0 2 2h14a2 2 0 0 0 2-2v-6h-2v6H5V5h6V3z"/><path fill="#000000" d="M14 3v2h3.6l-8.3 8.3 1.4 1.4L19 6.4V10h2V3z"/></svg>`

// keySVG is a key: what proves that a site is somebody's.
const keySVG = `<svg xmlns="http://www.w3.org/2000/svg" width="24" height="24" viewBox="0 0 24 24"><path fill="#000000" d="M8 7a5 5 0 1 0 4.6 7H15v3h3v-3h3v-4h-8.4A5 5 0 0 0 8 7zm0 3a2 2 0 1 1 0 4 2 2 0 0 1 0-4z"/></svg>`

func openIcon() fyne.Resource { return themed("open.svg", openSVG) }
func keyIcon() fyne.Resource  { return themed("key.svg", keySVG) }

func themed(name, svg string) fyne.Resource {
	return theme.NewThemedResource(fyne.NewStaticResource(name, []byte(svg)))
}
