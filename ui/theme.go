package ui

import (
	"image/color"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/theme"
)

// Colours of our own, beside Fyne's.
const (
	colorCard    fyne.ThemeColorName = "altnetCard"    // surfaces that stand on the background
	colorSidebar fyne.ThemeColorName = "altnetSidebar" // behind the navigation
	colorMuted   fyne.ThemeColorName = "altnetMuted"   // secondary text, still 4.5:1
	colorAccent  fyne.ThemeColorName = "altnetAccent"  // a tint of primary, behind what is selected
	colorOutline fyne.ThemeColorName = "altnetOutline" // hairlines around surfaces
	colorWarnBg  fyne.ThemeColorName = "altnetWarnBg"  // behind a warning
	colorErrorBg fyne.ThemeColorName = "altnetErrorBg" // behind an error
	colorGoodBg  fyne.ThemeColorName = "altnetGoodBg"  // behind good news
	colorNone    fyne.ThemeColorName = "altnetNone"    // nothing
)

// altTheme is the window's look. Text on every surface keeps a contrast of
// 4.5:1, focus and borders that carry meaning 3:1; a test measures it.
type altTheme struct {
	fyne.Theme
	forced string // "light", "dark" or "": what the system says
}

func newTheme(forced string) fyne.Theme {
	return &altTheme{Theme: theme.DefaultTheme(), forced: forced}
}

func rgb(v uint32) color.NRGBA {
	return color.NRGBA{R: uint8(v >> 16), G: uint8(v >> 8), B: uint8(v), A: 0xff}
}

func rgba(v uint32, alpha uint8) color.NRGBA {
	c := rgb(v)
	c.A = alpha
	return c
}

// Color implements fyne.Theme.
func (t *altTheme) Color(name fyne.ThemeColorName, variant fyne.ThemeVariant) color.Color {
	switch t.forced {
	case "light":
		variant = theme.VariantLight
	case "dark":
		variant = theme.VariantDark
	}
	if name == colorNone {
		return color.Transparent
	}
	own := lightColor
	if variant == theme.VariantDark {
		own = darkColor
	}
	if c, ok := own(name); ok {
		return c
	}
	return t.Theme.Color(name, variant)
}

func lightColor(name fyne.ThemeColorName) (color.Color, bool) {
	switch name {
	case theme.ColorNameBackground:
		return rgb(0xf5f6f8), true
	case theme.ColorNameForeground:
		return rgb(0x17202b), true
	case theme.ColorNamePrimary, theme.ColorNameHyperlink:
		return rgb(0x0b6b62), true
	case theme.ColorNameForegroundOnPrimary, theme.ColorNameForegroundOnError,
		theme.ColorNameForegroundOnSuccess, theme.ColorNameForegroundOnWarning:
		return rgb(0xffffff), true
	case theme.ColorNameFocus:
		return rgba(0x0b6b62, 0x55), true
	case theme.ColorNameButton:
		return rgb(0xe4e8ed), true
	case theme.ColorNameDisabledButton:
		return rgb(0xe9ecf0), true
	case theme.ColorNameDisabled:
		return rgb(0x5d6876), true
	case theme.ColorNamePlaceHolder, colorMuted:
		return rgb(0x566270), true
	case theme.ColorNameInputBackground:
		return rgb(0xf3f5f7), true
	case theme.ColorNameMenuBackground, theme.ColorNameOverlayBackground, colorCard:
		return rgb(0xffffff), true
	case theme.ColorNameInputBorder:
		return rgb(0x7f8c9a), true
	case theme.ColorNameHeaderBackground, colorSidebar:
		return rgb(0xebeef2), true
	case theme.ColorNameHover:
		return rgba(0x17202b, 0x0f), true
	case theme.ColorNamePressed:
		return rgba(0x17202b, 0x22), true
	case theme.ColorNameSelection:
		return rgba(0x0b6b62, 0x33), true
	case theme.ColorNameSeparator, colorOutline:
		return rgb(0xd9dee5), true
	case theme.ColorNameError:
		return rgb(0xb3261e), true
	case theme.ColorNameSuccess:
		return rgb(0x1b6e3c), true
	case theme.ColorNameWarning:
		return rgb(0x8a5300), true
	case colorAccent:
		return rgb(0xd3ebe8), true
	case colorWarnBg:
		return rgb(0xfdf1dc), true
	case colorErrorBg:
		return rgb(0xfce8e6), true
	case colorGoodBg:
		return rgb(0xe1f3e8), true
	}
	return nil, false
}

func darkColor(name fyne.ThemeColorName) (color.Color, bool) {
	switch name {
	case theme.ColorNameBackground:
		return rgb(0x12161b), true
	case theme.ColorNameForeground:
		return rgb(0xe6eaef), true
	case theme.ColorNamePrimary, theme.ColorNameHyperlink:
		return rgb(0x4cc9b8), true
	case theme.ColorNameForegroundOnPrimary, theme.ColorNameForegroundOnError,
		theme.ColorNameForegroundOnSuccess, theme.ColorNameForegroundOnWarning:
		return rgb(0x0b1b1a), true
	case theme.ColorNameFocus:
		return rgba(0x4cc9b8, 0x55), true
	case theme.ColorNameButton:
		return rgb(0x2b333d), true
	case theme.ColorNameDisabledButton:
		return rgb(0x20272f), true
	case theme.ColorNameDisabled:
		return rgb(0x98a4b1), true
	case theme.ColorNamePlaceHolder, colorMuted:
		return rgb(0x9ba7b4), true
	case theme.ColorNameInputBackground:
		return rgb(0x171c22), true
	case theme.ColorNameMenuBackground, theme.ColorNameOverlayBackground, colorCard:
		return rgb(0x1c2229), true
	case theme.ColorNameInputBorder:
		return rgb(0x6c7886), true
	case theme.ColorNameHeaderBackground, colorSidebar:
		return rgb(0x181d23), true
	case theme.ColorNameHover:
		return rgba(0xffffff, 0x12), true
	case theme.ColorNamePressed:
		return rgba(0xffffff, 0x26), true
	case theme.ColorNameSelection:
		return rgba(0x4cc9b8, 0x40), true
	case theme.ColorNameSeparator, colorOutline:
		return rgb(0x2d353f), true
	case theme.ColorNameError:
		return rgb(0xf2857c), true
	case theme.ColorNameSuccess:
		return rgb(0x6fcf97), true
	case theme.ColorNameWarning:
		return rgb(0xe8b25c), true
	case colorAccent:
		return rgb(0x1d3d3a), true
	case colorWarnBg:
		return rgb(0x332917), true
	case colorErrorBg:
		return rgb(0x3a1f1d), true
	case colorGoodBg:
		return rgb(0x18301f), true
	}
	return nil, false
}

// Size implements fyne.Theme.
func (t *altTheme) Size(name fyne.ThemeSizeName) float32 {
	switch name {
	case theme.SizeNamePadding:
		return 5
	case theme.SizeNameInnerPadding:
		return 9
	case theme.SizeNameText:
		return 14
	case theme.SizeNameHeadingText:
		return 23
	case theme.SizeNameSubHeadingText:
		return 17
	case theme.SizeNameCaptionText:
		return 12
	case theme.SizeNameInputRadius, theme.SizeNameSelectionRadius:
		return 7
	}
	return t.Theme.Size(name)
}
