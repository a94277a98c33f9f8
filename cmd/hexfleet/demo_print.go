package main

import (
	"fmt"
	"io"
	"strings"
)

// demoGuide is what --demo prints for people: each command works as pasted.
const demoGuide = `
  San Francisco is being dispatched: %[1]d drivers and their riders, all over real sockets.

  The live board, for staff (the link is good once, within ten minutes):
    %[2]s

  Be a rider and watch your order live (Node 20.10 or later), in a second terminal:
    node --experimental-websocket -e 'const w=new WebSocket("%[3]s/v1/ws");w.onopen=()=>w.send(JSON.stringify({type:"auth",token:"%[4]s"}));w.onmessage=m=>console.log(m.data)'
  Order a ride as that rider, in a third one:
    curl%[7]s %[5]s/v1/orders -H 'Authorization: Bearer %[4]s' -H "Idempotency-Key: $(date +%%s)" -H 'Content-Type: application/json' -d '{"kind":"ride","stops":[{"type":"pickup","lat":37.7879,"lng":-122.4075},{"type":"dropoff","lat":37.7694,"lng":-122.4862}]}'
  See what a dispatcher sees:
    curl%[7]s '%[5]s/v1/orders?market=sf&limit=5' -H 'Authorization: Bearer %[6]s'
    curl%[7]s '%[5]s/v1/drivers/nearby?market=sf&lat=37.7879&lng=-122.4075&limit=5' -H 'Authorization: Bearer %[6]s'

  Stop it with Ctrl-C%[8]s.

`

// print tells people where to look and what to paste; board is the address of the board.
func (d *demo) print(w io.Writer, c *serveCmd, board string, keeps bool) error {
	rider, err := d.mint("rider", "you")
	if err != nil {
		return fmt.Errorf("mint a token: %w", err)
	}
	staff, err := d.mint("dispatcher", demoStaff)
	if err != nil {
		return fmt.Errorf("mint a token: %w", err)
	}
	insecure, ending := "", "; its data goes with it"
	if c.TLSCert != "" {
		insecure = " -k"
	}
	if keeps {
		ending = "; its data stays in " + c.DataDir
	}
	_, err = fmt.Fprintf(w, demoGuide, c.DemoDrivers, board, "ws"+strings.TrimPrefix(d.url, "http"), rider, d.url, staff,
		insecure, ending)
	return err
}
