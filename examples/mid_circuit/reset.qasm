// One qubit tossed as a coin, reset, and tossed again: four outcomes, as likely each.
// Measuring in the middle needs OpenQASM 3 on IonQ's side too, so this one travels alone.
OPENQASM 3.0;
include "stdgates.inc";
qubit q;
bit[2] tosses;
h q;
tosses[0] = measure q;
reset q;
h q;
tosses[1] = measure q;
