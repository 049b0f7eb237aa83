import type { Registry } from 'prom-client';

export type Labels = Readonly<Record<string, string | number>>;

interface InstrumentOptions {
  readonly name: string;
  readonly help: string;
  readonly labels?: readonly string[];
}

export interface Counter {
  increment(labels?: Labels, by?: number): void;
}
export interface Gauge {
  set(value: number, labels?: Labels): void;
}
export interface Histogram {
  observe(value: number, labels?: Labels): void;
}

/** The metrics of one process. prom-client is loaded by the first scrape, so that a process nobody scrapes does not carry it. */
export interface Metrics {
  counter(options: InstrumentOptions): Counter;
  gauge(options: InstrumentOptions): Gauge;
  histogram(options: InstrumentOptions & { readonly buckets: readonly number[] }): Histogram;
  /** The text of a scrape. */
  render(): Promise<{ readonly contentType: string; readonly body: string }>;
}

type Client = typeof import('prom-client');
type Recorder = (value: number, labels: Labels) => void;

/** Observations kept until prom-client is there; at the limit it is loaded at once. */
const PENDING_MAX = 1_000;
const NO_LABELS: Labels = {};

export function createMetrics(options: { readonly service: string }): Metrics {
  return new LazyMetrics(options.service);
}

class LazyMetrics implements Metrics {
  readonly #makers: ((client: Client, registry: Registry) => void)[] = [];
  #loaded: { readonly client: Client; readonly registry: Registry } | undefined;
  #loading: Promise<Registry> | undefined;

  constructor(private readonly service: string) {}

  counter(options: InstrumentOptions): Counter {
    const record = this.#instrument((client, registry) => {
      const counter = new client.Counter({ ...settingsOf(options), registers: [registry] });
      return (value, labels) => counter.inc(labels, value);
    });
    return { increment: (labels = NO_LABELS, by = 1) => record(by, labels) };
  }

  gauge(options: InstrumentOptions): Gauge {
    const record = this.#instrument((client, registry) => {
      const gauge = new client.Gauge({ ...settingsOf(options), registers: [registry] });
      return (value, labels) => gauge.set(labels, value);
    });
    return { set: (value, labels = NO_LABELS) => record(value, labels) };
  }

  histogram(options: InstrumentOptions & { readonly buckets: readonly number[] }): Histogram {
    const record = this.#instrument((client, registry) => {
      const histogram = new client.Histogram({ ...settingsOf(options), buckets: [...options.buckets], registers: [registry] });
      return (value, labels) => histogram.observe(labels, value);
    });
    return { observe: (value, labels = NO_LABELS) => record(value, labels) };
  }

  async render(): Promise<{ readonly contentType: string; readonly body: string }> {
    const registry = await this.#load();
    return { contentType: registry.contentType, body: await registry.metrics() };
  }

  #instrument(make: (client: Client, registry: Registry) => Recorder): Recorder {
    let record: Recorder | undefined;
    let pending: { readonly value: number; readonly labels: Labels }[] = [];
    const start = (client: Client, registry: Registry): void => {
      record = make(client, registry);
      for (const { value, labels } of pending) record(value, labels);
      pending = [];
    };
    if (this.#loaded === undefined) this.#makers.push(start);
    else start(this.#loaded.client, this.#loaded.registry);
    return (value, labels) => {
      if (record !== undefined) return record(value, labels);
      pending.push({ value, labels });
      if (pending.length >= PENDING_MAX) void this.#load();
    };
  }

  #load(): Promise<Registry> {
    this.#loading ??= this.#loadNow();
    return this.#loading;
  }

  async #loadNow(): Promise<Registry> {
    const client = await import('prom-client');
    const registry = new client.Registry();
    registry.setDefaultLabels({ service: this.service });
    client.collectDefaultMetrics({ register: registry });
    this.#loaded = { client, registry };
    for (const make of this.#makers.splice(0)) make(client, registry);
    return registry;
  }
}

const settingsOf = (options: InstrumentOptions): { name: string; help: string; labelNames: string[] } => ({
  name: options.name,
  help: options.help,
  labelNames: [...(options.labels ?? [])],
});
