// Restate's side of the work: the steps run here, each result is durable in the server before the next.
import { loadPeer } from '../packages.js';
import { announce, roleInput } from './role.js';
import { runShape } from './shapes.js';
import type { Shape } from '../../performance/plan-shapes.js';

interface RestateContext {
  run(name: string, action: () => Promise<string>): Promise<unknown>;
}

interface Restate {
  service(definition: {
    readonly name: string;
    readonly handlers: {
      readonly run: (context: RestateContext, work: { readonly steps: number; readonly shape: Shape }) => Promise<number>;
    };
  }): unknown;
  serve(options: { readonly services: readonly unknown[]; readonly port: number; readonly logger: () => void }): Promise<unknown>;
  readonly RestatePromise: { all(steps: Promise<unknown>[]): Promise<unknown> };
}

// The SDK calls one function that came with Node 22; this gives Node 20 the same.
const promises = Promise as unknown as Record<string, unknown>;
promises['withResolvers'] ??= function withResolvers(this: PromiseConstructor) {
  const parts: { resolve?: unknown; reject?: unknown } = {};
  const promise = new this((resolve, reject) => Object.assign(parts, { resolve, reject }));
  return { promise, ...parts };
};

const { home, port } = roleInput<{ readonly home: string; readonly port: number }>();
const restate = loadPeer<Restate>(home, '@restatedev/restate-sdk');
const service = restate.service({
  name: 'bench',
  handlers: {
    run: async (context, work) => {
      await runShape(
        work,
        (name) => context.run(name, () => Promise.resolve(name)),
        (steps) => restate.RestatePromise.all(steps),
      );
      return work.steps;
    },
  },
});
await restate.serve({ services: [service], port, logger: () => undefined });
announce();
