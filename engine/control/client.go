package control

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net"
	"net/http"
	"net/url"
	"syscall"

	"altnet/engine/wire"
)

// Client is the Control of a node in another process. It may be used by any
// number of goroutines.
type Client struct {
	http *http.Client
}

var _ Control = (*Client)(nil)

// NewClient returns a Client that connects with dial, as often as it needs.
// Nothing is dialled yet; where nobody listens, methods return ErrNotRunning.
func NewClient(dial func(context.Context) (net.Conn, error)) *Client {
	return &Client{http: &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			conn, err := dial(ctx)
			if err != nil && ctx.Err() == nil {
				return nil, Mark(ErrNotRunning, err)
			}
			return conn, err
		},
		DisableCompression: true,
		WriteBufferSize:    64 << 10,
		ReadBufferSize:     64 << 10,
		IdleConnTimeout:    idleTimeout / 2, // before the server's
	}}}
}

// Close drops idle connections. Calls under way go on.
func (c *Client) Close() error {
	c.http.CloseIdleConnections()
	return nil
}

// post sends a request and returns the response to a successful one.
func (c *Client) post(ctx context.Context, method string, body io.Reader) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+host+prefix+method, body)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", method, err)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, lost(ctx, method, err)
	}
	return resp, nil
}

// lost names the reason why a request got no answer.
func lost(ctx context.Context, method string, err error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("%s: %w", method, context.Cause(ctx))
	}
	if urlErr, ok := errors.AsType[*url.Error](err); ok {
		err = urlErr.Err // without the made-up address
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) {
		return Mark(ErrClosed, fmt.Errorf("%s: the node went away: %w", method, err))
	}
	return fmt.Errorf("%s: %w", method, err)
}

// refusal returns the error of a response, nil for a successful one, whose
// body is then unread.
func refusal(resp *http.Response, result any) error {
	if resp.StatusCode == http.StatusOK {
		return nil
	}
	defer resp.Body.Close()
	if err := readAnswer(resp, result); err != nil {
		return err
	}
	return fmt.Errorf("the node answered %s", resp.Status)
}

// readAnswer fills result and returns the error that came with it.
func readAnswer(resp *http.Response, result any) error {
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxResponse))
	if err != nil {
		return Mark(ErrClosed, fmt.Errorf("read the node's answer: %w", err))
	}
	var a answer
	if err := json.Unmarshal(body, &a); err != nil {
		return fmt.Errorf("the node answered %s: %.200q", resp.Status, body)
	}
	if a.Result != nil && result != nil {
		if err := json.Unmarshal(a.Result, result); err != nil {
			return fmt.Errorf("read the node's answer: %w", err)
		}
	}
	return a.Error.err()
}

// call is a method that takes and returns JSON.
func call[Out any](ctx context.Context, c *Client, method string, in any) (out Out, err error) {
	body, err := json.Marshal(in)
	if err != nil {
		return out, fmt.Errorf("%s: %w", method, err)
	}
	resp, err := c.post(ctx, method, bytes.NewReader(body))
	if err != nil {
		return out, err
	}
	defer resp.Body.Close()
	return out, readAnswer(resp, &out)
}

// order is a call without a result.
func order(ctx context.Context, c *Client, method string, in any) error {
	_, err := call[nothing](ctx, c, method, in)
	return err
}

// Status implements Control.
func (c *Client) Status(ctx context.Context) (Status, error) {
	return call[Status](ctx, c, "status", nothing{})
}

// Peers implements Control.
func (c *Client) Peers(ctx context.Context) ([]Peer, error) {
	return call[[]Peer](ctx, c, "peers", nothing{})
}

// SetOnline implements Control.
func (c *Client) SetOnline(ctx context.Context, online bool) error {
	return order(ctx, c, "online", onlineIn{online})
}

// Events implements Control.
func (c *Client) Events(ctx context.Context) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		resp, err := c.post(ctx, "events", nil)
		if err == nil {
			err = refusal(resp, nil)
		}
		if err != nil {
			if ctx.Err() == nil {
				yield(Event{}, err)
			}
			return
		}
		defer resp.Body.Close()
		lines := json.NewDecoder(resp.Body)
		for {
			e, err := readEvent(lines)
			if err != nil && ctx.Err() != nil {
				return
			}
			if !yield(e, err) || err != nil {
				return
			}
		}
	}
}

func readEvent(lines *json.Decoder) (e Event, err error) {
	var a answer
	if err := lines.Decode(&a); err != nil {
		return e, Mark(ErrClosed, fmt.Errorf("the node went away: %w", err))
	}
	if a.Error != nil {
		return e, a.Error.err()
	}
	if err := json.Unmarshal(a.Result, &e); err != nil {
		return e, fmt.Errorf("read an event: %w", err)
	}
	return e, nil
}

// Publish implements Control.
func (c *Client) Publish(ctx context.Context, p PublishRequest) (Receipt, error) {
	return call[Receipt](ctx, c, "publish", p)
}

// Withdraw implements Control.
func (c *Client) Withdraw(ctx context.Context, p PublishRequest) (Receipt, error) {
	return call[Receipt](ctx, c, "withdraw", p)
}

// Receipt implements Control.
func (c *Client) Receipt(ctx context.Context, name string) (Receipt, error) {
	return call[Receipt](ctx, c, "receipt", nameIn{name})
}

// Sites implements Control.
func (c *Client) Sites(ctx context.Context) ([]Site, error) {
	return call[[]Site](ctx, c, "sites", nothing{})
}

// Versions implements Control.
func (c *Client) Versions(ctx context.Context, name string) ([]Version, error) {
	return call[[]Version](ctx, c, "versions", nameIn{name})
}

// DropVersion implements Control.
func (c *Client) DropVersion(ctx context.Context, name string, seq uint64) error {
	return order(ctx, c, "drop-version", versionIn{name, seq})
}

// Resolve implements Control.
func (c *Client) Resolve(ctx context.Context, name string) (Resolution, error) {
	return call[Resolution](ctx, c, "resolve", nameIn{name})
}

// Accept implements Control.
func (c *Client) Accept(ctx context.Context, name string) error {
	return order(ctx, c, "accept", nameIn{name})
}

// SetPinned implements Control.
func (c *Client) SetPinned(ctx context.Context, name string, pinned bool) error {
	return order(ctx, c, "pin", pinIn{name, pinned})
}

// Connect implements Control.
func (c *Client) Connect(ctx context.Context, addr string) (Peer, error) {
	return call[Peer](ctx, c, "connect", nameIn{addr})
}

// Ping implements Control.
func (c *Client) Ping(ctx context.Context, peer string) (Pong, error) {
	return call[Pong](ctx, c, "ping", nameIn{peer})
}

// Find implements Control.
func (c *Client) Find(ctx context.Context, target string) (Found, error) {
	return call[Found](ctx, c, "find", nameIn{target})
}

// Put implements Control.
func (c *Client) Put(ctx context.Context, data []byte) (hash wire.Hash, err error) {
	if len(data) > wire.MaxBlock {
		return hash, fmt.Errorf("a block has at most %d bytes: %w", wire.MaxBlock, ErrInvalid)
	}
	resp, err := c.post(ctx, "put", bytes.NewReader(data))
	if err != nil {
		return hash, err
	}
	defer resp.Body.Close()
	var digits string
	if err := readAnswer(resp, &digits); err != nil {
		return hash, err
	}
	raw, err := hex.DecodeString(digits)
	if err != nil || len(raw) != len(hash) {
		return hash, fmt.Errorf("the node answered with the hash %.80q", digits)
	}
	return wire.Hash(raw), nil
}

// Get implements Control.
func (c *Client) Get(ctx context.Context, hash wire.Hash) ([]byte, error) {
	resp, err := c.post(ctx, "get", bytes.NewReader(hash[:]))
	if err != nil {
		return nil, err
	}
	if err := refusal(resp, nil); err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(io.LimitReader(resp.Body, wire.MaxBlock))
	if err != nil {
		return nil, lost(ctx, "get", err)
	}
	return data, nil
}
