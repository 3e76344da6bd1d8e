// Finds the hidden string 1011 with one question to the oracle: every shot reads it.
OPENQASM 2.0;
include "qelib1.inc";
gate oracle a, b, c, d, answer {
  cx a, answer;
  cx b, answer;
  cx d, answer;
}
qreg q[4];
qreg answer[1];
creg hidden[4];
x answer[0];
h answer[0];
h q;
oracle q[0], q[1], q[2], q[3], answer[0];
h q;
measure q -> hidden;
