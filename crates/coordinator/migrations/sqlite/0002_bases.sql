-- What a row of circuits is: 0 a circuit with its proving key, 1 bases of multi-scalar multiplications, of which n_wires is the number.
ALTER TABLE circuits ADD COLUMN kind INTEGER NOT NULL DEFAULT 0;
