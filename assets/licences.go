package assets

import (
	"embed"
	"encoding/json"
	"fmt"
)

//go:embed licences
var licenceFiles embed.FS

// Library is one of the libraries that are compiled into the program.
type Library struct {
	Path    string `json:"path"`    // of the module
	Licence string `json:"licence"` // SPDX identifiers
	Text    string `json:"text"`    // of its licence files
}

// Licence returns the licence of the program itself.
func Licence() string { return read(licenceFiles, "licences/GPL-3.0.txt") }

// Libraries lists the libraries inside with their licences, by path.
func Libraries() ([]Library, error) {
	var out []Library
	if err := json.Unmarshal([]byte(read(licenceFiles, "licences/libraries.json")), &out); err != nil {
		return nil, fmt.Errorf("read the libraries' licences: %w", err)
	}
	return out, nil
}
