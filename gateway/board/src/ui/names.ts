// What staff read for the states of drivers.

export const driverStates = ['available', 'reserved', 'on_trip', 'stopped', 'non_contactable'] as const;

export const driverNames: Record<(typeof driverStates)[number], string> = {
  available: 'Available', reserved: 'Reserved', on_trip: 'On trip', stopped: 'Stopped', non_contactable: 'No contact',
};
