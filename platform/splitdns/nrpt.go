package splitdns

// ruleID is the key of our rule, by which we find it again.
const ruleID = "{8B5C0A2D-6E1F-4D37-9A54-A17E7C53D0A1}"
