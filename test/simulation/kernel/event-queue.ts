/** What waits in the queue: integers only, so that a push allocates nothing. `payload` is the caller's index. */
export interface EventQueue {
  readonly push: (time: number, target: number, payload: number) => void;
  /** Removes the earliest event (first in, first out among equals) into `time`, `target`, `payload`; false when empty. */
  readonly pop: () => boolean;
  readonly peekTime: () => number;
  readonly size: () => number;
  readonly popped: { time: number; target: number; payload: number };
}

/** Four-ary heap over typed arrays; order is (time, sequence of pushing). Times are milliseconds with fractions. */
export const createEventQueue = (initialCapacity = 1 << 16): EventQueue => {
  let capacity = initialCapacity;
  let times = new Float64Array(capacity);
  let sequences = new Float64Array(capacity);
  let targets = new Int32Array(capacity);
  let payloads = new Int32Array(capacity);
  let size = 0;
  let sequence = 0;
  const popped = { time: 0, target: 0, payload: 0 };

  const grow = (): void => {
    capacity *= 2;
    const copy = <T extends Float64Array | Int32Array>(from: T, to: T): T => {
      to.set(from);
      return to;
    };
    times = copy(times, new Float64Array(capacity));
    sequences = copy(sequences, new Float64Array(capacity));
    targets = copy(targets, new Int32Array(capacity));
    payloads = copy(payloads, new Int32Array(capacity));
  };

  return {
    popped,
    size: () => size,
    peekTime: () => (size === 0 ? Number.POSITIVE_INFINITY : times[0]!),
    push: (time, target, payload) => {
      if (size === capacity) grow();
      const order = sequence++;
      let i = size++;
      while (i > 0) {
        const parent = (i - 1) >> 2;
        if (times[parent]! <= time) break;
        times[i] = times[parent]!;
        sequences[i] = sequences[parent]!;
        targets[i] = targets[parent]!;
        payloads[i] = payloads[parent]!;
        i = parent;
      }
      times[i] = time;
      sequences[i] = order;
      targets[i] = target;
      payloads[i] = payload;
    },
    pop: () => {
      if (size === 0) return false;
      popped.time = times[0]!;
      popped.target = targets[0]!;
      popped.payload = payloads[0]!;
      size--;
      const time = times[size]!;
      const order = sequences[size]!;
      const target = targets[size]!;
      const payload = payloads[size]!;
      let i = 0;
      for (;;) {
        const first = 4 * i + 1;
        if (first >= size) break;
        let least = first;
        const end = Math.min(first + 4, size);
        for (let child = first + 1; child < end; child++) {
          const difference = times[child]! - times[least]!;
          if (difference < 0 || (difference === 0 && sequences[child]! < sequences[least]!)) least = child;
        }
        const difference = times[least]! - time;
        if (difference > 0 || (difference === 0 && sequences[least]! > order)) break;
        times[i] = times[least]!;
        sequences[i] = sequences[least]!;
        targets[i] = targets[least]!;
        payloads[i] = payloads[least]!;
        i = least;
      }
      times[i] = time;
      sequences[i] = order;
      targets[i] = target;
      payloads[i] = payload;
      return true;
    },
  };
};
