"""From a caller's circuit to IonQ's wire, and from IonQ's distribution to the caller's counts. Pure computation."""
