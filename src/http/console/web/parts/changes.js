// What a form changes: only that is sent, so that nothing is set back that somebody else changed meanwhile.

/** What a form says of something that is not so already. */
export const changesOf = (known, said) => Object.fromEntries(Object.entries(said).filter(([name, value]) => (known[name] ?? null) !== value));
