-- Has changes of limits and definitions wait with their turns until the end of the transaction: sluice.take_turn takes the same lock.
LOCK TABLE sluice.allotments IN SHARE UPDATE EXCLUSIVE MODE;
