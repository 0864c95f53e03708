/** Table: placeholder */
export const DICTIONARY = '{"kind":"Pod"}'
