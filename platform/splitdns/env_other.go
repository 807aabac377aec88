//go:build !windows

package splitdns

func registryValue(string, string, string) (string, bool) { return "", false }

func registryKeys(string, string) ([]string, bool) { return nil, false }
