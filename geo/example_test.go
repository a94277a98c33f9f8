package geo_test

import (
	"fmt"
	"time"

	"github.com/hexfleet/hexfleet/geo"
)

func ExampleIndex_Nearest() {
	index := geo.NewIndex(10)
	now := time.Date(2008, 5, 31, 6, 10, 0, 0, time.UTC)
	index.Update(index.Join("cab-1"), geo.Fix{LatLng: geo.LatLng{Lat: 37.7749, Lng: -122.4194}, At: now})
	index.Update(index.Join("cab-2"), geo.Fix{LatLng: geo.LatLng{Lat: 37.7793, Lng: -122.4193}, At: now})
	index.Update(index.Join("cab-3"), geo.Fix{LatLng: geo.LatLng{Lat: 37.6213, Lng: -122.3790}, At: now.Add(-time.Hour)})

	near := index.Nearest(geo.Query{
		At:         geo.LatLng{Lat: 37.7785, Lng: -122.4189},
		K:          2,
		FreshSince: now.Add(-time.Minute),
	})
	for _, n := range near {
		id, _ := index.ID(n.Handle)
		fmt.Printf("%s %.0f m\n", id, n.Distance)
	}
	// Output:
	// cab-2 96 m
	// cab-1 403 m
}

func ExampleArea_Overlaps() {
	west, _ := geo.ParseArea([]byte(`{"type":"Polygon","coordinates":[[[0,0],[1,0],[1,1],[0,1],[0,0]]]}`))
	east, _ := geo.ParseArea([]byte(`{"type":"Polygon","coordinates":[[[1,0],[2,0],[2,1],[1,1],[1,0]]]}`))
	both, _ := geo.ParseArea([]byte(`{"type":"Polygon","coordinates":[[[0.5,0],[2,0],[2,1],[0.5,0]]]}`))
	fmt.Println(west.Overlaps(&east), west.Overlaps(&both))
	// Output: false true
}
