// Package gateway shows sites to the browser that is already there: an
// http.Handler that serves one site per host name, as a plain server
// (http://name.alt/), over https, as a proxy that carries .alt and nothing
// else, and as http://name-alt.localhost:PORT/ where names under .alt do not
// reach this machine.
//
// The rules that keep sites and readers apart:
//
//   - One host, one site, one origin. A host that is neither a site's nor the
//     gateway's own is refused, which ends DNS rebinding.
//
//   - A page must not reach the services on the reader's own machine because it
//     came from there. Where a header can say so (by proxy, over https, at the
//     second door) it does; plain http by DNS, where it cannot, leads to https or
//     to the second door. See policy and elsewhere.
//
//   - A page may link to a site of another name but not embed it. Where the
//     browser does not say what it is doing (Sec-Fetch headers are not sent to
//     plain http), a site that the reader never opened waits for a script that
//     runs only in a tab of its own. See intent.go.
//
//   - What changes this node lies on the gateway's own address, takes a token
//     that only its own page shows, and answers to this machine alone.
//
//   - When a name's new owner was accepted, what the old one left in the
//     browser is cleared before the new one's first page. See clean.go.
//
//   - A version that its author previews has an origin that nobody can guess.
//     See preview.go.
//
// The way of a request: ServeHTTP, the host (host.go), the intent, Resolve,
// the path (find.go), the content (content.go).
//
// # Who answers on the port
//
// Browsers find the gateway by an address and a port, as proxy or as server.
// A loopback port belongs to whoever binds it first, and every user of a
// computer may bind any port from 1024 on. So another user who
// takes the port while AltNet does not run could answer in its stead: hand out
// a proxy configuration that leads all of the browser's traffic to them, or
// show sites of their own under .alt. What is done about it:
//
//   - The setting goes when the server stops. Whoever sets a browser's proxy
//     configuration takes it out before the gateway's listener closes, and, by
//     the journal, at the next start after a crash.
//   - Nothing is set before the answerer has proved itself. Prove asks it for a
//     MAC over fresh random bytes and over the address that was dialled, by a
//     secret that lies in the data folder, which other users cannot read. The
//     address is in it because a thief could otherwise pass the question on to
//     the real gateway at another port. Doors ask again when the machine
//     wakes, when the network changed and from time to time, and undo what they
//     set when the answer is wrong.
//   - Where a system takes the configuration itself instead of its address, no
//     server hands it out, and a thief gets names under the suffix at most.
//   - The path of the configuration is a token of this installation. It keeps
//     two users' AltNets apart: a browser of one that meets the gateway of the
//     other gets no configuration there, and goes directly. It is no secret
//     from a thief, to whom the browser would tell it by asking.
//   - The configuration names one port on loopback, never a host, and sends
//     nothing but names under the suffix there. The gateway passes nothing on.
//   - Https under .alt needs a certificate by the root in the data folder. A
//     thief has none, so that a reader who trusts the root, and is sent to
//     https, is shown a warning and no stranger's page.
//
// What remains: between a crash and the next start, another user of the same
// computer can take the port and show pages of their own over plain http to a
// browser that still has the setting, and a browser that starts in that time
// takes its configuration from them. The system service closes that gap where
// it can bind a port below 1024, which other users cannot.
package gateway
