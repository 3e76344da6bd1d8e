// Teleports a qubit that reads 1 in three of four shots, with its corrections deferred to the end.
// `received` shows the qubit; `corrections` are four fair coins.
OPENQASM 3.0;
include "stdgates.inc";
qubit message;
qubit[2] link;
bit[2] corrections;
bit received;
ry(2 * pi / 3) message;
h link[0];
cx link[0], link[1];
cx message, link[0];
h message;
cx link[0], link[1];
cz message, link[1];
corrections[0] = measure message;
corrections[1] = measure link[0];
received = measure link[1];
