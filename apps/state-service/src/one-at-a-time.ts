/** Looks at things by their key: one look at each at a time, and whoever asks meanwhile makes it look again. */
export class OneAtATime {
  private readonly looking = new Map<string, { again: boolean }>();

  constructor(
    private readonly look: (key: string) => Promise<unknown>,
    private readonly onFault: (error: unknown) => void,
  ) {}

  ask(key: string): void {
    const looking = this.looking.get(key);
    if (looking !== undefined) {
      looking.again = true;
      return;
    }
    const now = { again: false };
    this.looking.set(key, now);
    void this.look(key)
      .catch(this.onFault)
      .finally(() => {
        this.looking.delete(key);
        if (now.again) this.ask(key);
      });
  }
}
