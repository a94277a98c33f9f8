package client_test

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/hexfleet/hexfleet/gateway/client"
	"github.com/hexfleet/hexfleet/gateway/wire"
)

// A rider orders and follows its ride to the end; a lost connection is mended without its doing.
func Example() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Hour)
	defer cancel()
	over := make(chan string, 1) // one end
	rider, err := client.Dial(ctx, client.Config{
		URL:   "http://127.0.0.1:8080",
		Token: func() (string, error) { return os.Getenv("HEXFLEET_TOKEN"), nil },
		Handle: func(m client.Message) {
			if told, ok := m.(*wire.OrderUpdate); ok {
				fmt.Println(told.Order.Version, told.Order.State)
				if told.Order.State == "completed" {
					over <- told.Order.State
				}
			}
		},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer rider.Close()
	if _, err := rider.CreateOrder(ctx, wire.OrderCreate{Kind: "ride", Stops: []wire.Stop{
		{Type: "pickup", Lat: 37.78, Lng: -122.41}, {Type: "dropoff", Lat: 37.75, Lng: -122.42},
	}}); err != nil {
		fmt.Println(err)
		return
	}
	<-over
}
