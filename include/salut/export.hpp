// What libsalut.so shows. The library is built with hidden visibility: a program that links it sees
// these names and no others, and ours never meet its own copies of what we use inside.
//
// On a class: all its members, and what describes its type to exceptions and casts.
#pragma once

#define SALUT_API __attribute__((visibility("default")))
// Of a class inside of such a one.
#define SALUT_HIDDEN __attribute__((visibility("hidden")))
