import { kindGroupOf, type Notice } from '@taskmaster/contracts';
import type { OwnWork } from '@taskmaster/messaging';

/** Who works in this process, if somebody does. */
export class LocalWork {
  private own: OwnWork | undefined;

  /** From now on, work of these groups that becomes ready is done in this process. */
  worksHere(own: OwnWork): void {
    this.own = own;
  }

  /** @returns whether it is done here, and needs no message */
  takes(notice: Notice): boolean {
    const { own } = this;
    return own !== undefined && own.groups.some((group) => group === kindGroupOf(notice.kind)) && own.begin(notice);
  }
}
