// The last minutes of a few figures, as the columns that uPlot draws. Bounded: the oldest sample goes first.

export interface Sample {
  /** Wall instant in s since the epoch. */
  at: number;
  open: number;
  matched: number;
}

export class Series {
  private samples: Sample[] = [];

  constructor(private readonly spanS: number) {}

  add(s: Sample): void {
    this.samples.push(s);
    const oldest = s.at - this.spanS;
    while (this.samples.length > 0 && this.samples[0]!.at < oldest) {
      this.samples.shift();
    }
  }

  columns(): [number[], number[], number[]] {
    return [this.samples.map((s) => s.at), this.samples.map((s) => s.open), this.samples.map((s) => s.matched)];
  }
}
