package client

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/gorilla/websocket"

	"github.com/hexfleet/hexfleet/gateway/wire"
)

// The defaults of Config.
const (
	DefaultMinBackoff = 100 * time.Millisecond
	DefaultMaxBackoff = 5 * time.Second
	// DefaultTimeout bounds the dial, the greeting and each write.
	DefaultTimeout = 10 * time.Second
)

// Config is what a Client is given.
type Config struct {
	// URL is the server's address: http(s)://host:port or ws(s)://host:port; without a path /v1/ws is meant.
	URL string
	// Token gives the bearer token; it is asked anew for each connection. Required.
	Token func() (string, error)
	// Header sends the token in the Authorization header rather than in the first frame.
	Header bool
	// Handle hears every message of the server in the order of the socket, answers too, and the client's own
	// *Connected, *Lost and *Disconnected. It is called by one goroutine, must not block, and must not call
	// Close or wait for an answer; it may call Start. Nil hears nothing.
	Handle func(Message)
	// Sent hears of each request frame just before it is written, repeats too. It must not block. May be nil.
	Sent func(kind string, id wire.ID)
	// Yield ends the client when the same driver logs in on another device (close 4009), which otherwise comes
	// back and so replaces the other one.
	Yield bool
	// Log is for what the user of the SDK cannot see otherwise; nil discards.
	Log *slog.Logger
	// MinBackoff and MaxBackoff bound the wait between two attempts, wall time: the n-th lies anywhere from 0
	// to min(MaxBackoff, MinBackoff * 2^n). 0 means the defaults.
	MinBackoff, MaxBackoff time.Duration
	// Timeout bounds the dial, the greeting and each write, wall time; 0 means DefaultTimeout.
	Timeout time.Duration
	// Dialer opens sockets; nil means one with small buffers. Its Subprotocols are set by the client.
	Dialer *websocket.Dialer
}

// ErrClosed is the answer to requests that a closed client cannot send any more; their effect is unknown
// when they had been sent.
var ErrClosed = errors.New("client is closed")

// Client is one party's connection. Its methods are safe for concurrent use.
type Client struct {
	cfg    Config // immutable after Open
	dialer websocket.Dialer
	header bool

	cancel context.CancelFunc
	done   chan struct{} // closed when the goroutine has ended
	ready  chan struct{} // closed at the first welcome

	write sync.Mutex // serialises writes to the socket; taken after mu, never before

	mu sync.Mutex
	// conn is the greeted connection, nil while there is none.
	conn    *websocket.Conn
	pending map[wire.ID]*request
	// started counts requests, so that repeats keep their order.
	started int64
	follows map[wire.ID]follow
	welcome wire.Welcome
	// err is why the client has ended; nil while it lives.
	err error
}

// Open starts a client that connects by itself; it fails only for a config that cannot work.
func Open(cfg Config) (*Client, error) {
	address, err := socketURL(cfg.URL)
	if err != nil {
		return nil, err
	}
	cfg.URL = address
	if cfg.Token == nil {
		return nil, errors.New("client config: Token is required")
	}
	if cfg.MinBackoff < 0 || cfg.MaxBackoff < 0 || cfg.Timeout < 0 {
		return nil, errors.New("client config: MinBackoff, MaxBackoff and Timeout must not be negative")
	}
	if cfg.MinBackoff == 0 {
		cfg.MinBackoff = DefaultMinBackoff
	}
	if cfg.MaxBackoff == 0 {
		cfg.MaxBackoff = DefaultMaxBackoff
	}
	if cfg.Timeout == 0 {
		cfg.Timeout = DefaultTimeout
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	ctx, cancel := context.WithCancel(context.Background())
	c := &Client{
		cfg: cfg, cancel: cancel, header: cfg.Header,
		done: make(chan struct{}), ready: make(chan struct{}),
		pending: map[wire.ID]*request{}, follows: map[wire.ID]follow{},
	}
	c.dialer = websocket.Dialer{ReadBufferSize: 1 << 10, WriteBufferSize: 1 << 10}
	if cfg.Dialer != nil {
		c.dialer = *cfg.Dialer
	}
	c.dialer.Subprotocols = []string{wire.Subprotocol}
	go c.run(ctx)
	return c, nil
}

// Dial opens a client and waits until the server has greeted it, the server has refused it for good, or ctx
// is done; the client is closed in the latter two cases.
func Dial(ctx context.Context, cfg Config) (*Client, error) {
	c, err := Open(cfg)
	if err != nil {
		return nil, err
	}
	if err := c.Ready(ctx); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

// Ready waits for the first greeting.
func (c *Client) Ready(ctx context.Context) error {
	select {
	case <-c.ready:
		return nil
	case <-c.done:
		return c.Err()
	case <-ctx.Done():
		return fmt.Errorf("connect to %s: %w", c.cfg.URL, ctx.Err())
	}
}

// Close ends the connection and fails what is unanswered with ErrClosed. It waits for the client's goroutine
// and may be called twice.
func (c *Client) Close() {
	c.cancel()
	<-c.done
}

// Done is closed once the client has ended, by Close or because the server refused it for good.
func (c *Client) Done() <-chan struct{} { return c.done }

// Err is why the client has ended; nil while it lives.
func (c *Client) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// Welcome is the latest greeting; zero before the first.
func (c *Client) Welcome() wire.Welcome {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.welcome
}

// Drop cuts the connection without a goodbye, as a bad network would; the client comes back by itself.
// Without a connection nothing happens, and false is given.
func (c *Client) Drop() bool {
	c.mu.Lock()
	conn := c.conn
	c.mu.Unlock()
	if conn == nil {
		return false
	}
	_ = conn.NetConn().Close()
	return true
}

// socketURL makes the address of the socket from that of the server.
func socketURL(address string) (string, error) {
	u, err := url.Parse(address)
	if err != nil {
		return "", fmt.Errorf("client config: URL: %w", err)
	}
	switch u.Scheme {
	case "http", "ws":
		u.Scheme = "ws"
	case "https", "wss":
		u.Scheme = "wss"
	default:
		return "", fmt.Errorf("client config: URL %q must begin with http://, https://, ws:// or wss://", address)
	}
	if u.Host == "" {
		return "", fmt.Errorf("client config: URL %q names no host", address)
	}
	if strings.Trim(u.Path, "/") == "" {
		u.Path = "/v1/ws"
	}
	return u.String(), nil
}
