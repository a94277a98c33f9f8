package sim_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hexfleet/hexfleet/dispatch/sim"
	"github.com/hexfleet/hexfleet/geo"
)

const (
	mealOrders = "order,seed,restaurant,placed_s,ready_s,rest_lat,rest_lon,cust_lat,cust_lon\n" +
		"b,1,r,60,600,0.01,0.02,0.03,0.04\na,1,r,30.5,30.5,0,0,0.03,0.04\nother,2,r,1,2,0,0,0,0\n"
	mealCouriers = "seed,courier,on_s,off_s,lat,lon,x\n2,z,0,1,0,0,\n1,d,0,7200,-0.02,0.04,\n"
	mealKinds    = "seed,m_per_min,pickup_service_min,dropoff_service_min,target_click_to_door_min,max_click_to_door_min\n" +
		"1,320,4,2.5,40,90\n2,300,4,4,40,90\n"
)

// mealFiles writes the three files.
func mealFiles(t *testing.T, orders, couriers, instances string) sim.MealFiles {
	t.Helper()
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	return sim.MealFiles{
		Orders: write("orders.csv", orders), Couriers: write("couriers.csv", couriers),
		Instances: write("instances.csv", instances),
	}
}

func TestMealFiles_Read(t *testing.T) {
	at := func(ms int64) time.Time { return time.UnixMilli(ms).UTC() }
	want := sim.Meals{
		Seed: "1", SpeedMps: 320.0 / 60, PickupService: 4 * time.Minute, DropoffService: 150 * time.Second,
		Target: 40 * time.Minute, Most: 90 * time.Minute,
		Orders: []sim.Trip{
			{ID: "a", At: at(30_500), Ready: at(30_500), Dropoff: geo.LatLng{Lat: 0.03, Lng: 0.04}},
			{ID: "b", At: at(60_000), Ready: at(600_000), Pickup: geo.LatLng{Lat: 0.01, Lng: 0.02},
				Dropoff: geo.LatLng{Lat: 0.03, Lng: 0.04}},
		},
		Couriers: []sim.Session{{Driver: "d", On: at(0), Off: at(7_200_000), At: geo.LatLng{Lat: -0.02, Lng: 0.04}}},
	}
	got, err := mealFiles(t, mealOrders, mealCouriers, mealKinds).Read("1")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestMealFiles_Read_errors_name_file_line_and_column(t *testing.T) {
	const head = "seed,order,placed_s,ready_s,rest_lat,rest_lon,cust_lat,cust_lon\n"
	one := mealKinds[:strings.LastIndex(mealKinds, "2,300")]
	for want, f := range map[string]sim.MealFiles{
		"orders.csv: line 1: the header has no column ready_s": mealFiles(t, "seed,order,placed_s\n", mealCouriers, one),
		`orders.csv: line 3, column placed_s: "x" must be`:     mealFiles(t, head+"2,a,y,0,0,0,0,0\n1,a,x,0,0,0,0,0\n", mealCouriers, one),
		"column ready_s: must not be before placed_s":          mealFiles(t, head+"1,a,5,4,0,0,0,0\n", mealCouriers, one),
		"column order: must not be empty":                      mealFiles(t, head+"1,,5,5,0,0,0,0\n", mealCouriers, one),
		"couriers.csv: line 2, column off_s: must be after":    mealFiles(t, mealOrders, "seed,courier,on_s,off_s,lat,lon\n1,d,5,5,0,0\n", one),
		"instances.csv: line 3, column m_per_min: must be":     mealFiles(t, mealOrders, mealCouriers, one+"7,0,4,4,40,90\n"),
		"instances.csv: line 3, column seed: \"1\" stands":     mealFiles(t, mealOrders, mealCouriers, one+"1,1,4,4,40,90\n"),
		"instances.csv: line 1: the file holds no instance":    mealFiles(t, mealOrders, mealCouriers, one[:strings.Index(one, "\n")+1]),
	} {
		_, err := f.Read("")
		if _, ok := errors.AsType[*sim.FileError](err); !ok || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want a FileError with %q", err, want)
		}
	}
	f := mealFiles(t, mealOrders, mealCouriers, mealKinds)
	for _, seed := range []string{"", "3"} {
		if _, err := f.Read(seed); !errors.Is(err, sim.ErrNoInstance) || !strings.Contains(err.Error(), "1, 2") {
			t.Errorf("instance %q: got %v, want ErrNoInstance and the list", seed, err)
		}
	}
}

// TestMealFiles_real_days reads the recorded days beside the repository and what they are known to hold.
func TestMealFiles_real_days(t *testing.T) {
	dir := filepath.Join("..", "..", "..", "shared", "data", "grubhub")
	want := map[string]int{"0": 505, "1": 538, "2": 708, "3": 967, "4": 1185}
	f := sim.MealFiles{
		Orders: filepath.Join(dir, "orders.csv.gz"), Couriers: filepath.Join(dir, "couriers.csv.gz"),
		Instances: filepath.Join(dir, "instances.csv.gz"),
	}
	if _, err := os.Stat(dir); err != nil {
		t.Logf("no recorded data beside the repository, reading generated files: %v", err)
		f, want = mealFiles(t, mealOrders, mealCouriers, mealKinds), map[string]int{"1": 2, "2": 1}
	}
	for seed, orders := range want {
		m, err := f.Read(seed)
		if err != nil || len(m.Orders) != orders || len(m.Couriers) == 0 {
			t.Errorf("instance %s: got %d orders, %d couriers, %v, want %d orders", seed, len(m.Orders), len(m.Couriers), err, orders)
		}
	}
}
