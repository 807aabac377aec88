package gateway

import (
	"bytes"
	"path"
	"strings"
)

// typeByName returns the type of a file by its extension, "" where it says
// nothing. The table is ours and not the system's, so that a site looks the
// same everywhere.
func typeByName(name string) string {
	switch strings.ToLower(strings.TrimPrefix(path.Ext(name), ".")) {
	case "html", "htm":
		return "text/html; charset=utf-8"
	case "xhtml":
		return "application/xhtml+xml"
	case "css":
		return "text/css; charset=utf-8"
	case "js", "mjs", "cjs":
		return "text/javascript; charset=utf-8"
	case "json", "map":
		return "application/json"
	case "jsonld":
		return "application/ld+json"
	case "geojson":
		return "application/geo+json"
	case "webmanifest":
		return "application/manifest+json"
	case "wasm":
		return "application/wasm"
	case "txt", "text", "log", "ini", "conf", "toml", "yaml", "yml", "srt":
		return "text/plain; charset=utf-8"
	case "md", "markdown":
		return "text/markdown; charset=utf-8"
	case "csv":
		return "text/csv; charset=utf-8"
	case "ics":
		return "text/calendar; charset=utf-8"
	case "vtt":
		return "text/vtt; charset=utf-8"
	case "xml", "xsl", "xslt":
		return "text/xml"
	case "rss":
		return "application/rss+xml"
	case "atom":
		return "application/atom+xml"
	}
	return mediaType(name)
}

func mediaType(name string) string {
	switch strings.ToLower(strings.TrimPrefix(path.Ext(name), ".")) {
	case "svg":
		return "image/svg+xml"
	case "png":
		return "image/png"
	case "apng":
		return "image/apng"
	case "jpg", "jpeg", "jfif":
		return "image/jpeg"
	case "gif":
		return "image/gif"
	case "webp":
		return "image/webp"
	case "avif":
		return "image/avif"
	case "jxl":
		return "image/jxl"
	case "bmp":
		return "image/bmp"
	case "ico", "cur":
		return "image/x-icon"
	case "tif", "tiff":
		return "image/tiff"
	case "woff":
		return "font/woff"
	case "woff2":
		return "font/woff2"
	case "ttf":
		return "font/ttf"
	case "otf":
		return "font/otf"
	case "mp3":
		return "audio/mpeg"
	case "m4a", "aac":
		return "audio/mp4"
	case "ogg", "oga", "opus":
		return "audio/ogg"
	case "wav":
		return "audio/wav"
	case "flac":
		return "audio/flac"
	case "mp4", "m4v":
		return "video/mp4"
	case "webm":
		return "video/webm"
	case "ogv":
		return "video/ogg"
	case "mov":
		return "video/quicktime"
	case "mkv":
		return "video/x-matroska"
	case "m3u8":
		return "application/vnd.apple.mpegurl"
	case "mpd":
		return "application/dash+xml"
	}
	return archiveType(name)
}

func archiveType(name string) string {
	switch strings.ToLower(strings.TrimPrefix(path.Ext(name), ".")) {
	case "pdf":
		return "application/pdf"
	case "epub":
		return "application/epub+zip"
	case "zip":
		return "application/zip"
	case "gz", "tgz":
		return "application/gzip"
	case "bz2":
		return "application/x-bzip2"
	case "xz":
		return "application/x-xz"
	case "zst":
		return "application/zstd"
	case "tar":
		return "application/x-tar"
	case "7z":
		return "application/x-7z-compressed"
	case "gltf":
		return "model/gltf+json"
	case "glb":
		return "model/gltf-binary"
	case "bin", "exe", "dll", "iso", "dmg", "deb", "rpm", "apk", "msi", "img", "dat":
		return "application/octet-stream"
	}
	return ""
}

// withoutCharset leaves the character set of an HTML page to the page where it
// declares one: a header would override it.
func withoutCharset(contentType string, head []byte) string {
	const scanned = 1024 // where HTML requires the declaration to stand
	if contentType != "text/html; charset=utf-8" {
		return contentType
	}
	head = head[:min(len(head), scanned)]
	for _, spelling := range []string{"charset", "CHARSET", "Charset"} {
		if bytes.Contains(head, []byte(spelling)) {
			return "text/html"
		}
	}
	return contentType
}
