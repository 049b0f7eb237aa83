import { afterAll, beforeAll, beforeEach, describe } from '@jest/globals';
import { describeAnswering } from './answering.contract.js';
import type { BrokerUnderTest } from './broker-under-test.js';
import { describeCore } from './core.contract.js';
import { describePublishing } from './publishing.contract.js';
import { describePulling } from './pulling.contract.js';
import { Questions } from './questions.js';
import { describeRestarts } from './restarts.contract.js';
import { describeStreams } from './streams.contract.js';

const OPENS_MS_MAX = 60_000;

/** What nats-server and the simulated one do alike, as far as the product can notice. `open` gives one that is empty. */
export function describeBroker(name: string, open: () => Promise<BrokerUnderTest>): void {
  let questions: Questions | undefined;

  beforeAll(async () => {
    questions = await Questions.to(await open());
  }, OPENS_MS_MAX);
  beforeEach(() => questions?.deleteAll());
  afterAll(() => questions?.broker.close());

  const asked = (): Questions => questions!;
  describe(`${name}: streams and consumers`, () => describeStreams(asked));
  describe(`${name}: messages for a stream`, () => describePublishing(asked));
  describe(`${name}: pulling`, () => describePulling(asked));
  describe(`${name}: answering what was pulled`, () => describeAnswering(asked));
  describe(`${name}: core messages`, () => describeCore(asked));
  describe(`${name}: started again`, () => describeRestarts(asked));
}
