import { expect, it } from '@jest/globals';
import { StateUnavailable, type ApiKeyView, type QueryAsker } from '@taskmaster/contracts';
import { KeyRing } from './identity.js';

/** Answers each question when it is told to. */
class Asked {
  readonly open: { readonly answer: (view: ApiKeyView | null) => void; readonly fail: () => void }[] = [];
  readonly asker: QueryAsker = {
    ask: () =>
      new Promise<never>((resolve, reject) => {
        this.open.push({
          answer: (view) => {
            resolve(view as never);
          },
          fail: () => {
            reject(new StateUnavailable('away'));
          },
        });
      }),
  };
}

const VIEW = { keyId: 'k1', tenantId: 'default', name: 'first', role: 'admin' } as unknown as ApiKeyView;

it('asks once for all requests with one key that come before its answer, as after a restart', async () => {
  const asked = new Asked();
  const keys = new KeyRing(asked.asker, () => 0);
  const found = [keys.find('tmk_a'), keys.find('tmk_a'), keys.find('tmk_b')];
  expect(asked.open).toHaveLength(2);
  asked.open[0]?.answer(VIEW);
  asked.open[1]?.answer(null);
  const identity = { keyId: 'k1', tenantId: 'default', role: 'admin' };
  expect(await Promise.all(found)).toEqual([identity, identity, null]);
});

it('asks anew after a question that was not answered', async () => {
  const asked = new Asked();
  const keys = new KeyRing(asked.asker, () => 0);
  const first = keys.find('tmk_a');
  asked.open[0]?.fail();
  await expect(first).rejects.toBeInstanceOf(StateUnavailable);
  const second = keys.find('tmk_a');
  asked.open[1]?.answer(VIEW);
  expect((await second)?.keyId).toBe('k1');
});
