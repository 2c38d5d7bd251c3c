// Package plan decides which fault comes when: a pure function of the seed, the duration and the choice of kinds. It knows
// neither what a fault does nor to whom; a fault carries a number by which the injector picks among the candidates of
// that moment.
package plan
